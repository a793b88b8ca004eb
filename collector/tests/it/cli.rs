use std::process::{Command, Output};

/// Runs `meshtap` with nothing of ours in its environment but what is given.
fn meshtap(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshtap"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MESHTAP_"))
    {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_bad_configuration_ends_with_2_and_names_every_mistake() {
    for command in ["serve", "check-config"] {
        let output = meshtap(&[command], &[("MESHTAP_STORE_KIND", "mysql"), ("MESHTAP_HTTP_LISEN", "x")]);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        for part in ["2 mistakes", "MESHTAP_STORE_KIND: unknown value", "did you mean MESHTAP_HTTP_LISTEN?"] {
            assert!(text.contains(part), "{text}");
        }
    }
    assert_eq!(meshtap(&["check-config"], &[]).status.code(), Some(0));
    assert_eq!(meshtap(&["check-config", "--config", "/nowhere.yaml"], &[]).status.code(), Some(2));
    assert_eq!(meshtap(&["serv"], &[]).status.code(), Some(2));
}

#[test]
fn the_queue_s_folder_is_named_before_or_behind_what_to_do() {
    let folder = std::env::temp_dir().join(format!("meshtap-cli-queue-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    let path = folder.display().to_string();
    let missing = meshtap(&["queue", "ls", "--path", &path], &[]);
    assert_eq!(missing.status.code(), Some(1));
    for part in [&*path, "--path FOLDER", "--config FILE", "queue.path"] {
        assert!(stderr(&missing).contains(part), "{}", stderr(&missing));
    }
    std::fs::create_dir(&folder).unwrap();
    let config = folder.join("meshtap.yaml").display().to_string();
    std::fs::write(&config, format!("queue: {{path: '{path}'}}")).unwrap();
    for named in [["--path", &path], ["--config", &config]] {
        for arguments in [[&["queue"], &named[..], &["ls"]].concat(), [&["queue", "ls"], &named[..]].concat()]
        {
            let output = meshtap(&arguments, &[]);
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
            assert!(String::from_utf8_lossy(&output.stdout).contains("segments  0"), "{output:?}");
        }
        let output = meshtap(&[&["queue", "retry", "1"], &named[..]].concat(), &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("no entry 1 is parked"), "{}", stderr(&output));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_port_that_is_taken_is_named_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [
        ("MESHTAP_STORE_KIND", "memory"),
        ("MESHTAP_RECEIVE_GRPC_LISTEN", "127.0.0.1:0"),
        ("MESHTAP_RECEIVE_HTTP_LISTEN", "127.0.0.1:0"),
        ("MESHTAP_HTTP_LISTEN", address.as_str()),
    ];
    let output = meshtap(&["serve"], &variables);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains(&format!("http.listen: cannot listen on {address}")), "{text}");
}

#[test]
fn migrate_makes_the_schema_once_or_prints_it() {
    let folder = std::env::temp_dir().join(format!("meshtap-migrate-{}", std::process::id()));
    let path = folder.join("spans.db").display().to_string();
    let sqlite = [("MESHTAP_STORE_SQLITE_PATH", path.as_str())];
    for said in ["was at version 0 and is at version 2", "was at version 2 and is at version 2"] {
        let output = meshtap(&["migrate"], &sqlite);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(String::from_utf8_lossy(&output.stdout).contains(said), "{output:?}");
    }
    drop(std::fs::remove_dir_all(&folder));

    let cluster = [("MESHTAP_STORE_KIND", "clickhouse"), ("MESHTAP_STORE_CLICKHOUSE_CLUSTER", "prod")];
    let output = meshtap(&["migrate", "--print"], &cluster);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("CREATE TABLE IF NOT EXISTS spans_local ON CLUSTER 'prod'"), "{text}");
    let memory = meshtap(&["migrate"], &[("MESHTAP_STORE_KIND", "memory")]);
    assert_eq!(memory.status.code(), Some(1));
    assert!(stderr(&memory).contains("has no schema"), "{}", stderr(&memory));
}
