//! The consumers in Python, Node and Rust as processes, against a stub of the hub and its queue.

mod programs;
mod stub;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use protocol::case::{Case, Envelope};
use protocol::jose::{KeyUse, PrivateKey};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tongban_tests::size::runs_in_full_form;
use tongban_tests::until::until_blocking;

use programs::{LANGUAGES, Language, agency_program, programs};
use stub::{Reports, Seen};

/// How long a consumer may take until it does what a test waits for. Programs start slowly on a busy machine.
const SOON: Duration = Duration::from_secs(90);
/// How long a consumer may take to end after a signal: the grace of 8 seconds, and the end of the program.
const END: Duration = Duration::from_secs(15);

/// An agency's folder with settings and keys, and a message of the hub to the agency.
struct Kit {
    folder: PathBuf,
    hub_keys: Value,
    message: Value,
}

impl Kit {
    fn new(name: &str) -> Kit {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("consumers-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let [hub, signing] = [(), ()].map(|()| PrivateKey::generate(KeyUse::Signing).expect("a key"));
        let encryption = PrivateKey::generate(KeyUse::Encryption).expect("a key");
        for (file, key) in [("signing.jwk.json", &signing), ("encryption.jwk.json", &encryption)] {
            fs::write(folder.join(file), key.to_jwk().expect("a JWK").to_string()).expect("a file");
        }
        let case: Case = serde_json::from_value(json!({
            "application": "00000000-0000-8000-8000-000000000001", "version": 3, "notice": "opened", "agency": "42",
            "purpose": "decide", "service": "first_identity_card", "when": "adult", "accepted_at": "150102",
            "registered_at": "420106", "iat": 1, "reports": ["received", "signed"],
        }))
        .expect("a case");
        let body = Envelope::sign_and_encrypt(&case, Timestamp::now(), &hub, encryption.public())
            .expect("a message");
        let body = serde_json::to_string(&body).expect("JSON");
        let message = json!({
            "MessageId": "m1", "ReceiptHandle": "r1", "Body": body, "MD5OfBody": md5(&body),
            "Attributes": { "MessageGroupId": case.application, "ApproximateReceiveCount": "1" },
        });
        Kit { folder, hub_keys: json!({ "keys": [hub.public().to_jwk().expect("a JWK")] }), message }
    }

    fn settings(&self, queue: &str, hub: &str) -> PathBuf {
        let path = self.folder.join("agency.json");
        let settings = json!({
            "agency": "42", "queue_url": format!("{queue}/000000000000/q.fifo"), "hub_url": hub, "wait_seconds": 20,
            "signing_key": "signing.jwk.json", "encryption_keys": ["encryption.jwk.json"],
        });
        fs::write(&path, settings.to_string()).expect("a file");
        path
    }

    fn start(&self, mut command: Command) -> Running {
        let log = File::create(self.folder.join("log")).expect("a log");
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        Running { child: command.spawn().expect("a consumer"), log: self.folder.join("log") }
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The checksum that SQS gives with a body, and the SDK for Node compares.
fn md5(text: &str) -> String {
    let script = "import hashlib, sys; print(hashlib.md5(sys.argv[1].encode()).hexdigest(), end='')";
    let sum = Command::new(&programs().python).args(["-c", script, text]).output().expect("Python");
    String::from_utf8(sum.stdout).expect("a checksum")
}

/// A consumer. Dropping the value ends the process.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn until(&mut self, what: &str, condition: impl Fn(&str) -> bool) {
        let end = Instant::now() + SOON;
        until_blocking(what, SOON * 2, || {
            let ended = self.child.try_wait().expect("a status");
            let holds = condition(&self.log());
            assert!(holds || ended.is_none() && Instant::now() < end, "{what}: {ended:?} {}", self.log());
            holds.then_some(())
        });
    }

    fn end(&mut self, signal: Signal) -> (ExitStatus, Duration) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        let begun = Instant::now();
        kill_process(id, signal).expect("a process to stop");
        let status = until_blocking("the consumer's end", END * 2, || {
            let status = self.child.try_wait().expect("a status");
            assert!(status.is_some() || begun.elapsed() < END, "the consumer does not end: {}", self.log());
            status
        });
        (status, begun.elapsed())
    }
}

/// What a consumer does when the signal comes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    QueueAway,
    LongPoll,
    BackingOff,
    HandlerWaits,
}

fn stops_cleanly(language: Language, moment: Moment, signal: Signal) {
    let kit = Kit::new(&format!("{language:?}-{moment:?}"));
    let (message, reports) = match moment {
        Moment::QueueAway | Moment::LongPoll => (None, Reports::Held),
        Moment::BackingOff => (Some(kit.message.clone()), Reports::Unavailable),
        Moment::HandlerWaits => (Some(kit.message.clone()), Reports::Held),
    };
    let (port, seen) = stub::start(kit.hub_keys.clone(), message, reports);
    let address = format!("http://127.0.0.1:{port}");
    let endpoint = if matches!(moment, Moment::QueueAway) { closed_port() } else { address.clone() };
    let mut command = language.command(&kit.settings(&endpoint, &address));
    command.env("AWS_ENDPOINT_URL", &endpoint);
    let mut running = kit.start(command);
    match moment {
        Moment::QueueAway => {
            running.until("a failed receive", |log| log.contains("away") || log.contains("receive failed"))
        }
        Moment::LongPoll => running.until("a receive", |_| seen.count("AmazonSQS.ReceiveMessage") == 1),
        Moment::BackingOff => running.until("a repeated report", |_| seen.count("POST /v1/reports") >= 2),
        Moment::HandlerWaits => running.until("a report", |_| seen.count("POST /v1/reports") == 1),
    }
    let before = running.log().lines().count();
    let (status, took) = running.end(signal);
    let log = running.log();
    assert_eq!(status.code(), Some(0), "{language:?} {moment:?}: {status} {log}");
    let told: Vec<&str> = log.lines().skip(before).filter(|line| line.contains("stopped")).collect();
    assert_eq!(told.len(), 1, "{language:?} {moment:?}: {log}");
    assert!(!log.contains("Traceback") && !log.contains("panicked"), "{language:?} {moment:?}: {log}");
    let bound = if matches!(moment, Moment::HandlerWaits) { END } else { Duration::from_secs(6) };
    assert!(took < bound, "{language:?} {moment:?}: {took:?}");
}

fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

fn at_every_moment(language: Language) {
    use Moment::{BackingOff, HandlerWaits, LongPoll, QueueAway};
    thread::scope(|scope| {
        for moment in [QueueAway, LongPoll, BackingOff, HandlerWaits] {
            let signal = if matches!(moment, LongPoll) { Signal::INT } else { Signal::TERM };
            scope.spawn(move || stops_cleanly(language, moment, signal));
        }
    });
}

#[test]
fn a26_a_signal_ends_the_python_consumer_cleanly_at_any_moment() {
    if !runs_in_full_form("a signal ends the python consumer cleanly at any moment") {
        return;
    }
    at_every_moment(Language::Python);
}

#[test]
fn a26_a_signal_ends_the_node_consumer_cleanly_at_any_moment() {
    if !runs_in_full_form("a signal ends the node consumer cleanly at any moment") {
        return;
    }
    at_every_moment(Language::Node);
}

#[test]
fn a26_a_signal_ends_the_rust_consumer_cleanly_at_any_moment() {
    if !runs_in_full_form("a signal ends the rust consumer cleanly at any moment") {
        return;
    }
    at_every_moment(Language::Rust);
}

/// A proxy in the environment does not stand between a consumer and this machine, and every consumer calls queue and hub
/// elsewhere by the proxy. `doctor` finds the same and names the proxy.
#[test]
fn a26_consumers_and_doctor_go_the_same_way() {
    if !runs_in_full_form("consumers and doctor go the same way") {
        return;
    }
    let connects = |seen: &Seen, host: &str| seen.count(&format!("CONNECT {host}:443 "));
    thread::scope(|scope| {
        for language in LANGUAGES {
            scope.spawn(move || {
                let kit = Kit::new(&format!("{language:?}-proxy"));
                let (port, seen) =
                    stub::start(kit.hub_keys.clone(), Some(kit.message.clone()), Reports::Held);
                let (proxy, through) = stub::proxy();
                let proxy = format!("http://user:secret@127.0.0.1:{proxy}");
                let address = format!("http://127.0.0.1:{port}");
                let mut command = language.command(&kit.settings(&address, "https://hub.example.invalid/"));
                command
                    .env("AWS_ENDPOINT_URL", &address)
                    .env("HTTPS_PROXY", &proxy)
                    .env("HTTP_PROXY", &proxy);
                let mut running = kit.start(command);
                running.until("a call of the hub", |_| connects(&through, "hub.example.invalid") > 0);
                assert_eq!(
                    seen.count("AmazonSQS.ReceiveMessage").min(1),
                    1,
                    "{language:?}: {}",
                    running.log()
                );
                assert_eq!(through.count("POST") + through.count("GET"), 0, "this machine, by the proxy");
                drop(running);

                let mut command = language
                    .command(&kit.settings("https://sqs.example.invalid", "https://hub.example.invalid/"));
                command.env("AWS_ENDPOINT_URL", "https://sqs.example.invalid").env("https_proxy", &proxy);
                let mut running = kit.start(command);
                running.until("a call of the queue", |_| connects(&through, "sqs.example.invalid") > 0);
                drop(running);

                let mut command = language
                    .command(&kit.settings("https://sqs.example.invalid", "https://hub.example.invalid/"));
                command.env("AWS_ENDPOINT_URL", "https://sqs.example.invalid").env("https_proxy", &proxy);
                command.env("NO_PROXY", "example.invalid");
                let before = connects(&through, "sqs.example.invalid");
                let mut running = kit.start(command);
                running
                    .until("a failed receive", |log| log.contains("away") || log.contains("receive failed"));
                assert_eq!(connects(&through, "sqs.example.invalid"), before, "{language:?}: NO_PROXY");
                drop(running);

                if language == Language::Rust {
                    doctor_names_the_proxy(&kit, &proxy);
                }
            });
        }
    });
}

fn doctor_names_the_proxy(kit: &Kit, proxy: &str) {
    let settings = kit.settings("https://sqs.example.invalid", "https://hub.example.invalid/");
    let variables = format!(
        "export AWS_REGION=cn-north-1\nexport AWS_ACCESS_KEY_ID=1\nexport AWS_SECRET_ACCESS_KEY=s\nexport HTTPS_PROXY={proxy}\n"
    );
    // Beside the configuration, as the shell of a consumer reads it.
    fs::write(kit.folder.join("agency.env"), variables).expect("a file");
    let mut doctor = Command::new(agency_program());
    doctor.args(["doctor", "--json", "--config"]).arg(&settings).env_clear().stdin(Stdio::null());
    let told = doctor.output().expect("doctor");
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert_eq!(told.status.code(), Some(6), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let told: Value = serde_json::from_str(&text).expect("JSON");
    for (name, host) in [("queue", "sqs.cn-north-1.amazonaws.com.cn"), ("hub", "hub.example.invalid")] {
        let check = told["checks"].as_array().expect("checks").iter().find(|check| check["name"] == name);
        let check = check.unwrap_or_else(|| panic!("no check {name}: {text}")).to_string();
        for part in [host, "by the proxy 127.0.0.1:", "(HTTPS_PROXY)", "requires a user and a password (407)"]
        {
            assert!(check.contains(part), "{part}: {check}");
        }
    }
}

/// The authority of a TLS inspection is trusted when `ca_bundle` names it. Without, `doctor` says what is in the way.
#[test]
fn a26_every_consumer_trusts_the_authority_that_is_configured() {
    if !runs_in_full_form("every consumer trusts the authority that is configured") {
        return;
    }
    let kit = Kit::new("inspection");
    let requests = kit.folder.join("requests");
    let mut host = Command::new(&programs().python);
    host.arg(programs().workspace.file("tests/tests/certify/consumers/inspection.py")).arg(&kit.folder);
    host.stdout(File::create(&requests).expect("a file")).stdin(Stdio::null());
    let mut host = Running { child: host.spawn().expect("a host"), log: requests };
    host.until("a port", |told| told.contains('\n'));
    let address = format!("https://127.0.0.1:{}", host.log().lines().next().expect("a port"));
    let receives = |told: &str| told.lines().filter(|line| *line == "AmazonSQS.ReceiveMessage").count();

    let settings = kit.settings(&address, &address);
    let doctor = || {
        let mut doctor = Command::new(agency_program());
        doctor.args(["doctor", "--config"]).arg(&settings).env_clear().stdin(Stdio::null());
        for (name, value) in [("AWS_REGION", "r"), ("AWS_ACCESS_KEY_ID", "1"), ("AWS_SECRET_ACCESS_KEY", "s")]
        {
            doctor.env(name, value);
        }
        let told = doctor.env("AWS_ENDPOINT_URL", &address).output().expect("doctor");
        String::from_utf8_lossy(&told.stdout).into_owned()
    };
    let told = doctor();
    assert_eq!(told.matches("from an authority that this machine does not trust").count(), 2, "{told}");
    assert_eq!(told.matches("set ca_bundle").count(), 2, "{told}");
    for language in LANGUAGES {
        let mut running = kit.start(with_endpoint(language.command(&settings), &address));
        running.until("a failed receive", |log| log.contains("away") || log.contains("receive failed"));
        assert_eq!(receives(&host.log()), 0, "{language:?} trusts anybody");
    }

    let text = fs::read_to_string(&settings).expect("settings");
    let mut changed: Value = serde_json::from_str(&text).expect("settings");
    changed["ca_bundle"] = "ca.pem".into();
    fs::write(&settings, changed.to_string()).expect("settings");
    for language in LANGUAGES {
        let before = receives(&host.log());
        let mut running = kit.start(with_endpoint(language.command(&settings), &address));
        running.until("a receive", |_| receives(&host.log()) > before);
    }
    let told = doctor();
    assert!(!told.contains("trust"), "{told}");
}

fn with_endpoint(mut command: Command, address: &str) -> Command {
    command.env("AWS_ENDPOINT_URL", address);
    command
}

/// Every consumer names every fault of its configuration at once, one line each, and ends with exit code 3.
#[test]
fn a26_every_consumer_names_each_fault_of_its_configuration() {
    if !runs_in_full_form("every consumer names each fault of its configuration") {
        return;
    }
    let kit = Kit::new("faults");
    let key = |name: &str| fs::read_to_string(kit.folder.join(name)).expect("a key");
    let signing: Value = serde_json::from_str(&key("signing.jwk.json")).expect("a JWK");
    let mut public = signing.clone();
    public.as_object_mut().expect("a JWK").remove("d");
    let files: [(&str, Vec<u8>); 5] = [
        ("public.json", public.to_string().into_bytes()),
        ("rsa.json", br#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}"#.to_vec()),
        ("mark.json", [b"\xEF\xBB\xBF".to_vec(), key("encryption.jwk.json").into_bytes()].concat()),
        ("twice.json", br#"{"kty":"EC","kty":"EC"}"#.to_vec()),
        ("ca.pem", b"none".to_vec()),
    ];
    for (name, bytes) in &files {
        fs::write(kit.folder.join(name), bytes).expect("a file");
    }
    let many = json!({
        "agency": 42, "queue_url": "https://sqs.example/q.fifo ", "hub_url": "http://hub.example", "concurrency": "8",
        "signing_key": "public.json", "ca_bundle": "ca.pem", "hub_urls": "x",
        "encryption_keys": ["rsa.json", "mark.json", "twice.json", "none.json", "signing.jwk.json"],
    });
    let named: [(Vec<u8>, &[&str]); 6] = [
        (b"\xEF\xBB\xBF{}".to_vec(), &["byte order mark"]),
        (b"{\"agency\":\"\xB1\xB1\"}".to_vec(), &["UTF-8"]),
        (b"{\"agency\": \"42\",\n \"hub_url\" }".to_vec(), &["line 2"]),
        (br#"{"agency":"42","\u0061gency":"42"}"#.to_vec(), &["agency"]),
        (b"[]".to_vec(), &["not a JSON object"]),
        (
            many.to_string().into_bytes(),
            &[
                "agency: ",
                "queue_url: ",
                "hub_url: ",
                "concurrency: ",
                "public.json: ",
                "ca_bundle: ",
                "hub_urls: ",
                "P-256",
                "mark.json: ",
                "twice.json: ",
                "none.json: ",
                "not for use enc|not for encryption",
            ],
        ),
    ];
    let path = kit.folder.join("agency.json");
    for (bytes, parts) in named {
        fs::write(&path, bytes).expect("a file");
        for language in LANGUAGES {
            let told = language.command(&path).output().expect("a consumer");
            let text = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
            assert_eq!(told.status.code(), Some(3), "{language:?}: {text}");
            assert_eq!(text.lines().count(), parts.len() + 1, "{language:?}, a line a fault: {text}");
            for part in parts {
                assert!(part.split('|').any(|word| text.contains(word)), "{language:?}: {part}: {text}");
            }
            assert!(!text.contains(signing["d"].as_str().expect("a key")), "{language:?} prints a key");
        }
    }
}
