-- Run once on the second database, as its root. Accounts are made on each server by itself.
SET sql_log_bin = 0;
CREATE USER replica@'192.0.2.%' IDENTIFIED BY 'secret';
GRANT REPLICATION SLAVE ON *.* TO replica@'192.0.2.%';
CREATE USER monitor@'192.0.2.%';
SET sql_log_bin = 1;
CHANGE MASTER TO master_host = '192.0.2.21', master_user = 'replica', master_password = 'secret',
    master_use_gtid = slave_pos, master_connect_retry = 1, master_heartbeat_period = 1;
START SLAVE;
