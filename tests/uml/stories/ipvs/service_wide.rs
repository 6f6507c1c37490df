//! What belongs to no service: timeouts, sync daemons, the table as a whole.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipvs::{Change, Ipvs, Role, SyncDaemon, Timeouts};

use super::{apply, real, saved, tcp};
use crate::stories::{run, stories, wait_for};

stories![
    timeouts_are_set_and_told,
    sync_daemons_start_and_stop,
    a_sync_daemon_is_stopped_before_it_first_ran,
    the_table_is_flushed,
];

fn timeouts_are_set_and_told() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let seconds = Duration::from_secs;
        let before = ipvs.timeouts().await.unwrap();
        let kernels = Timeouts {
            tcp: seconds(900),
            tcp_fin: seconds(120),
            udp: seconds(300),
        };
        assert_eq!(before, kernels);
        let some = Timeouts {
            tcp: seconds(7200),
            udp: seconds(1),
            ..Timeouts::default()
        };
        ipvs.set_timeouts(&some).await.unwrap();
        assert!(run("ipvsadm -Ln --timeout").contains("7200 120 1\n"));
        run("ipvsadm --set 10 20 30");
        let said = ipvs.timeouts().await.unwrap();
        assert_eq!([said.tcp, said.tcp_fin, said.udp], [10, 20, 30].map(seconds));
        ipvs.set_timeouts(&before).await.unwrap();
        assert_eq!(ipvs.timeouts().await.unwrap(), before);
    });
}

fn sync_daemons_start_and_stop() {
    run("ip link add eth0 type dummy");
    run("ip addr add 192.0.2.1/24 dev eth0");
    run("ip link set eth0 up");
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        assert_eq!(ipvs.daemons().await.unwrap(), []);
        let master = SyncDaemon::new(Role::Master, "eth0".parse().unwrap(), 51);
        let backup = SyncDaemon {
            max_len: Some(1100),
            group: Some(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 99))),
            port: Some(8849),
            ttl: Some(3),
            ..SyncDaemon::new(Role::Backup, "eth0".parse().unwrap(), 255)
        };
        ipvs.start_daemon(&master).await.unwrap();
        let running = ipvs.daemons().await.unwrap();
        println!("{running:?}");
        assert!(master.is_met_by(&running[0]), "{running:?}");
        assert_eq!((running[0].port, running[0].ttl), (Some(8848), Some(1)));
        ipvs.start_daemon(&backup).await.unwrap();
        let running = ipvs.daemons().await.unwrap();
        assert_eq!(running.len(), 2);
        assert_eq!(running[1], backup);
        let told = run("ipvsadm -Ln --daemon");
        println!("{told}");
        assert!(
            told.contains("master sync daemon (mcast=eth0, syncid=51"),
            "{told}"
        );
        assert!(
            told.contains(
                "backup sync daemon (mcast=eth0, syncid=255, maxlen=1100, group=224.0.0.99, port=8849, ttl=3)"
            ),
            "{told}"
        );
        let again = ipvs.start_daemon(&master).await.unwrap_err();
        assert_eq!(
            again.to_string(),
            "cannot start the master sync daemon 51 on eth0: File exists"
        );
        ipvs.stop_daemon(Role::Master).await.unwrap();
        ipvs.stop_daemon(Role::Backup).await.unwrap();
        assert_eq!(ipvs.daemons().await.unwrap(), []);
        let again = ipvs.stop_daemon(Role::Master).await.unwrap_err();
        assert_eq!(
            again.to_string(),
            "cannot stop the master sync daemon: No such process"
        );
        // Over IPv6, as `ipvsadm` starts it.
        run("ipvsadm --start-daemon backup --mcast-interface eth0 --syncid 3 --mcast-group ff02::99");
        let running = ipvs.daemons().await.unwrap();
        assert_eq!(running[0].group, Some("ff02::99".parse().unwrap()));
        ipvs.stop_daemon(Role::Backup).await.unwrap();
    });
}

fn a_sync_daemon_is_stopped_before_it_first_ran() {
    run("ip link add eth0 type dummy");
    run("ip addr add 192.0.2.1/24 dev eth0");
    run("ip link set eth0 up");
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let backup = SyncDaemon::new(Role::Backup, "eth0".parse().unwrap(), 1);
        for _ in 0..50 {
            ipvs.start_daemon(&backup).await.unwrap();
            ipvs.stop_daemon(Role::Backup).await.unwrap();
            assert_eq!(ipvs.daemons().await.unwrap(), []);
        }
    });
}

fn the_table_is_flushed() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        for last in 1..=9 {
            let service = tcp(&format!("192.0.2.{last}"), 80);
            let destination = real("10.0.0.1", 80);
            let adds = [
                Change::AddService(service),
                Change::AddDestination(service.key, destination),
            ];
            apply(&mut ipvs, &adds).await;
        }
        assert_eq!(saved().len(), 18);
        ipvs.flush().await.unwrap();
        assert!(saved().is_empty());
        ipvs.flush().await.unwrap();
    });
}
