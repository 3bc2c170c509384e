//! Case O10 of `tests/FIELD_CASES.md`: a signal that ends `tongban` ends the programs that it started, and theirs.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// In the place of Python and of cargo. At the stage that the test names, it starts another program, writes down both
/// ids and waits for ten minutes.
const TOOL: &str = r#"#!/bin/sh
hang() {
    sleep 600 &
    echo "$$ $!" > "$NOTES.part" && mv "$NOTES.part" "$NOTES"
    wait
}
case "$1 $2" in
    "-c "*) [ "$STAGE" = version ] && hang; echo 3 12 ;;
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip") [ "$STAGE" = packages ] && hang; exit 0 ;;
    "build "*) hang ;;
esac
"#;
const SOON: Duration = Duration::from_secs(30);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("signals-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("bin")).unwrap();
        for tool in ["python3.12", "cargo"] {
            let path = folder.join("bin").join(tool);
            fs::write(&path, TOOL).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_alive(process: i32) -> bool {
    // A process that ended and that nobody has waited for is a zombie.
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

/// Starts `tongban up`, waits until the tool of this stage hangs, sends the signal, and looks at what is left.
fn ends(stage: &str, signal: Signal) {
    let folder = Folder::new(&format!("{stage}-{}", signal.as_raw()));
    let notes = folder.0.join("notes");
    let path = format!("{}:{}", folder.0.join("bin").display(), std::env::var("PATH").unwrap());
    let mut tongban = Command::new(env!("CARGO_BIN_EXE_tongban"))
        .args(["up", "--port", "0"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("PATH", path)
        .env("CARGO", folder.0.join("bin/cargo"))
        .env("CARGO_TARGET_DIR", folder.0.join("target"))
        .env("STAGE", stage)
        .env("NOTES", &notes)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ids: Vec<i32> = until("the tool starts", || {
        assert!(tongban.try_wait().unwrap().is_none(), "{stage}: tongban ended before the tool started");
        let text = fs::read_to_string(&notes).ok()?;
        Some(text.split_whitespace().map(|id| id.parse().unwrap()).collect())
    });
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| is_alive(*id)), "{ids:?}");
    kill_process(Pid::from_child(&tongban), signal).unwrap();
    let told = tongban.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(1), "{stage}: {said}");
    assert!(said.contains("interrupted by a signal"), "{stage}: {said}");
    until(&format!("{stage}: a program of {ids:?} goes on"), || {
        (!ids.iter().any(|id| is_alive(*id))).then_some(())
    });
}

#[test]
fn o10_a_signal_during_the_build_ends_cargo_and_what_it_started() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        ends("build", signal);
    }
}

#[test]
fn o10_a_signal_during_the_installation_of_tools_ends_them() {
    ends("packages", Signal::TERM);
}
