//! Two proxies with `HAProxy` and one address, before two databases that replicate both ways: whatever fails, a client
//! loses no row that it was told is stored.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast::lab::{Host, Node, Process, wait_until};

use crate::scene::{SOON, Scene, VIRTUAL, expect, holdfast, ready};

/// A file of the example, where a host of the lab has files of its own.
macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../conf-examples/haproxy-mariadb/", $file))
            .replace("/etc/keepalived/", "/run/")
    };
}

const HAPROXY: &str = "/usr/sbin/haproxy";
const SERVER: &str = "/usr/sbin/mariadbd";
const CLIENT: &str = "/usr/bin/mariadb";
const INSTALL: &str = "/usr/bin/mariadb-install-db";

/// A database begins, or is in step again, within this time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// Stores one number after the other, each over a connection of its own, and says which it was told are stored.
const SHOP: &str = r#"#!/bin/sh
number=0
while :; do
    number=$((number + 1))
    timeout -s KILL 6 mariadb --no-defaults --connect-timeout=2 --host=192.0.2.10 --user=shop \
        --execute="INSERT INTO shop.orders (number) VALUES ($number)" 2>/dev/null && echo "stored $number"
done
"#;

#[test]
fn no_row_is_lost_whatever_fails() {
    if !ready() || !installed() {
        return;
    }
    let scene = Scene::new();
    let client = scene.lab.host("client", Ipv4Addr::new(192, 0, 2, 100)).unwrap();
    let databases = [21, 22].map(|last| {
        let name = if last == 21 { "database1" } else { "database2" };
        scene.lab.host(name, Ipv4Addr::new(192, 0, 2, last)).unwrap()
    });
    let [mut first, second] = start_databases(&databases);
    let [proxy_a, proxy_b] = [
        start_proxy(&scene.a, &example!("proxy1.conf")),
        start_proxy(&scene.b, &example!("proxy2.conf")),
    ];
    has_the_address(&scene, "a");
    client.write_script("/run/shop.sh", SHOP).unwrap();
    let shop = client.spawn("shop", "/run/shop.sh", &[]).unwrap();
    goes_on(&shop);

    // A proxy loses its power.
    scene.a.crash();
    drop(proxy_a);
    goes_on(&shop);
    has_the_address(&scene, "b");
    scene.a.boot().unwrap();
    let _proxy_a = start_proxy(&scene.a, &example!("proxy1.conf"));
    has_the_address(&scene, "a");
    goes_on(&shop);

    // The database in use is killed: the other one has all that was told to be stored, without it.
    let told = stored(&shop);
    first.kill_all();
    goes_on(&shop);
    let there = numbers(&databases[1]);
    assert!(
        told.is_subset(&there),
        "lost with a database: {:?}",
        told.difference(&there)
    );
    drop(first);
    first = start_database(&databases[0], &example!("database1.cnf"));
    in_step(&databases[0]);
    goes_on(&shop);

    // The cable of the proxy in use is pulled.
    scene.a.cable_out().unwrap();
    has_the_address(&scene, "b");
    goes_on(&shop);
    scene.a.cable_in().unwrap();
    has_the_address(&scene, "a");
    goes_on(&shop);

    shop.kill_all();
    shop.wait(SOON).expect("the shop is closed");
    let told = stored(&shop);
    for host in &databases {
        let mut there = BTreeSet::new();
        let all = wait_until(PATIENCE, || {
            there = numbers(host);
            told.is_subset(&there)
        });
        assert!(all.is_some(), "{} lacks {:?}", host.name, told.difference(&there));
    }
    drop((first, second, proxy_b));
}

/// Waits until this proxy alone has the address: its check must have succeeded twice before it is preferred again.
fn has_the_address(scene: &Scene, proxy: &str) {
    let owners = || scene.lab.owners(VIRTUAL) == [proxy];
    assert!(
        wait_until(PATIENCE, owners).is_some(),
        "{proxy} does not get the address within {PATIENCE:?}"
    );
}

fn installed() -> bool {
    let missing = [HAPROXY, SERVER, CLIENT, INSTALL]
        .into_iter()
        .find(|program| !Path::new(program).exists());
    if let Some(program) = missing {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "nothing may be skipped here: {program}"
        );
        println!("skipped: needs {program}");
    }
    missing.is_none()
}

/// More rows are told to be stored.
fn goes_on(shop: &Process) {
    let before = shop.log.count("stored ");
    let more = wait_until(PATIENCE, || shop.log.count("stored ") >= before + 20);
    assert!(more.is_some(), "the client cannot store anything");
}

/// What the client was told is stored.
fn stored(shop: &Process) -> BTreeSet<u32> {
    let lines = shop.log.since(0);
    let told = lines.iter().filter_map(|line| line.text.strip_prefix("stored "));
    told.map(|number| number.parse().unwrap()).collect()
}

/// What this database has.
fn numbers(host: &Host) -> BTreeSet<u32> {
    let rows = ask(host, "SELECT number FROM shop.orders").unwrap_or_default();
    rows.iter().map(|row| row.parse().unwrap()).collect()
}

fn start_databases(hosts: &[Arc<Host>; 2]) -> [Process; 2] {
    let options = "--no-defaults --user=root --datadir=/run/mysql --auth-root-authentication-method=normal --skip-test-db";
    let options: Vec<&str> = options.split(' ').collect();
    let installs = hosts
        .each_ref()
        .map(|host| host.spawn("install", INSTALL, &options).unwrap());
    for install in installs {
        let status = install.wait(PATIENCE).expect("an installation ends");
        assert!(status.success(), "{:?}", install.log.since(0));
    }
    let databases = [
        start_database(&hosts[0], &example!("database1.cnf")),
        start_database(&hosts[1], &example!("database2.cnf")),
    ];
    for (host, setup) in hosts
        .iter()
        .zip([example!("replication1.sql"), example!("replication2.sql")])
    {
        tell(host, &setup);
    }
    for host in hosts {
        in_step(host);
    }
    tell(
        &hosts[0],
        "CREATE DATABASE shop; CREATE TABLE shop.orders (number INT PRIMARY KEY);
         CREATE USER shop@'192.0.2.%'; GRANT ALL ON shop.* TO shop@'192.0.2.%';",
    );
    databases
}

/// Starts a database, as small as they go, and waits until it answers.
fn start_database(host: &Host, configuration: &str) -> Process {
    host.write("/run/mariadb.cnf", configuration).unwrap();
    let options = "--defaults-file=/run/mariadb.cnf --user=root --datadir=/run/mysql --socket=/run/mysql.sock \
                   --pid-file=/run/mysql.pid --tmpdir=/run --innodb-buffer-pool-size=8M --innodb-log-file-size=4M \
                   --aria-pagecache-buffer-size=1M --key-buffer-size=1M --max-connections=50";
    let options: Vec<&str> = options.split_whitespace().collect();
    let server = host.spawn("mariadb", SERVER, &options).unwrap();
    let answers = wait_until(PATIENCE, || ask(host, "SELECT 1").is_some());
    assert!(answers.is_some(), "{} has no database", host.name);
    server
}

/// Waits until this database hears of the other one's rows, and the other one of its own.
fn in_step(host: &Host) {
    let both = "SELECT COUNT(*) FROM information_schema.global_status WHERE VARIABLE_VALUE = 'ON' \
                AND VARIABLE_NAME IN ('RPL_SEMI_SYNC_MASTER_STATUS', 'RPL_SEMI_SYNC_SLAVE_STATUS', 'SLAVE_RUNNING')";
    let so = wait_until(PATIENCE, || ask(host, both).is_some_and(|rows| rows == ["3"]));
    assert!(
        so.is_some(),
        "{}: {:?}",
        host.name,
        ask(host, "SHOW STATUS LIKE '%semi%'")
    );
}

fn tell(host: &Host, statements: &str) {
    assert!(
        ask(host, statements).is_some(),
        "{} refuses {statements}",
        host.name
    );
}

/// The answer of the database of this host to its root, a row in a line.
fn ask(host: &Host, statements: &str) -> Option<Vec<String>> {
    const ASK: &str = "exec mariadb --no-defaults --socket=/run/mysql.sock --batch --skip-column-names \
                       --execute=\"$0\" >/run/answer";
    let asking = host.spawn("ask", "/bin/sh", &["-c", ASK, statements]).unwrap();
    let status = asking.wait(SOON)?;
    let answer = host.read("/run/answer").unwrap();
    status
        .success()
        .then(|| answer.lines().map(str::to_owned).collect())
}

fn start_proxy(host: &Host, configuration: &str) -> (Process, Node) {
    host.write_script("/run/check_database.sh", &example!("check_database.sh"))
        .unwrap();
    host.write("/run/haproxy.cfg", &example!("haproxy.cfg")).unwrap();
    let haproxy = host
        .spawn("haproxy", HAPROXY, &["-db", "-f", "/run/haproxy.cfg"])
        .unwrap();
    expect("HAProxy has begun", || haproxy.status().is_none());
    (haproxy, holdfast().start(host, configuration).unwrap())
}
