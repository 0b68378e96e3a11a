//! A real server of its own for each test, on a port and in a folder of its own.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tokio::net::TcpSocket;
use tower_outcome::store::{RedisStore, RedisStoreBuilder};

/// Servers by their names; both are tried where both are there.
const PROGRAMS: &[&str] = &["redis-server", "valkey-server"];
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Server {
    program: &'static str,
    child: Child,
    port: Port,
    folder: PathBuf,
    arguments: Vec<String>,
    password: Option<String>,
}

impl Server {
    /// Starts one, or says loudly that there is none; in CI there must be one.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let program = env::var("STORE_SERVER").ok().map(|wanted| {
            let known = PROGRAMS.iter().find(|it| **it == wanted);
            *known.unwrap_or_else(|| panic!("STORE_SERVER: {wanted}?"))
        });
        let program = program.or_else(|| PROGRAMS.iter().copied().find(|it| is_there(it)));
        let Some(program) = program else {
            let what = "no redis-server is installed: what needs one is NOT TESTED";
            assert!(env::var("CI").as_deref() != Ok("true"), "{what}");
            eprintln!("\n{}\n{what}\n{0}\n", "!".repeat(what.len()));
            return None;
        };
        Some(Self::start_program(program, arguments))
    }

    fn start_program(program: &'static str, arguments: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("outcome-redis-{}-{number}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let arguments: Vec<_> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let password = arguments
            .windows(2)
            .find(|pair| pair[0] == "--requirepass")
            .map(|pair| pair[1].clone());
        // Somebody else may take the port before the server does.
        for _ in 0..5 {
            let port = Port::new();
            let child = spawn(program, port.number, &folder, &arguments);
            let mut server = Self {
                program,
                child,
                port,
                folder: folder.clone(),
                arguments: arguments.clone(),
                password: password.clone(),
            };
            if server.answers() {
                return server;
            }
        }
        panic!("{program} does not start");
    }

    pub fn url(&self) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port()),
            None => format!("redis://127.0.0.1:{}", self.port()),
        }
    }

    pub fn port(&self) -> u16 {
        self.port.number
    }

    pub fn store(&self) -> RedisStore {
        self.builder().build().unwrap()
    }

    /// With more time to answer than an idle server ever needs, as many tests run at once.
    pub fn builder(&self) -> RedisStoreBuilder {
        Self::builder_of(self.url())
    }

    /// The same, by way of another address.
    pub fn builder_of(url: String) -> RedisStoreBuilder {
        RedisStore::builder(url)
            .answer_timeout(Duration::from_secs(5))
            .connect_timeout(Duration::from_secs(5))
    }

    /// Somebody else who is connected.
    pub fn client(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).unwrap();
        let since = Instant::now();
        loop {
            match client.get_connection_with_timeout(PATIENCE) {
                Ok(connection) => return connection,
                // Such as a signal in the middle of it.
                Err(error) => assert!(since.elapsed() < PATIENCE, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks the server something, as somebody else.
    pub fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command
            .query(&mut self.client())
            .unwrap_or_else(|error| panic!("{:.200}: {error}", words.join(" ")))
    }

    /// Does something as somebody else, whatever comes of it.
    pub fn tell(&self, words: &[&str]) {
        self.ask::<redis::Value>(words);
    }

    /// Waits where a bucket is about to end, for a test that is over within a few seconds.
    pub async fn early_in_a_bucket(&self) {
        let time: (u64, u64) = self.ask(&["TIME"]);
        let passed = time.0 % 10;
        if passed >= 5 {
            tokio::time::sleep(Duration::from_secs(10 - passed)).await;
        }
    }

    /// Lets it hang: its sockets take what comes, and nothing is answered.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after a kill, on the same port.
    pub fn restart(&mut self) {
        for _ in 0..20 {
            self.child = spawn(self.program, self.port(), &self.folder, &self.arguments);
            if self.answers() {
                return;
            }
        }
        panic!("{} does not start again", self.program);
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until it answers; `false` if it has ended.
    fn answers(&mut self) -> bool {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port())).unwrap();
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            let connected = client.get_connection_with_timeout(Duration::from_millis(500));
            if let Ok(mut connection) = connected {
                let pong = redis::cmd("PING").query::<String>(&mut connection);
                match pong {
                    Ok(_) => return true,
                    Err(error) if error.code() == Some("NOAUTH") => return true,
                    Err(_) => {}
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} does not answer", self.program);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(program: &str, port: u16, folder: &Path, arguments: &[String]) -> Child {
    // With the test that has started it, however that ends.
    let mut command = if is_there("setpriv") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]);
        command
    } else {
        Command::new(program)
    };
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .args(["--dir", folder.to_str().unwrap()])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn is_there(program: &str) -> bool {
    let version = Command::new(program).arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// A port of a server, whether that runs or not.
pub struct Port {
    pub number: u16,
    /// Bound, but not listened to: with that Linux gives the port to nobody who asks for any, while the
    /// server may still have it. Other systems would refuse it to the server, too.
    _held: Option<TcpSocket>,
}

impl Port {
    /// Finds one that nobody has now, low enough for a cluster, whose nodes take the one 10,000 above too.
    pub fn new() -> Self {
        loop {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            socket.bind(any).unwrap();
            let number = socket.local_addr().unwrap().port();
            if number < 55_000 {
                let _held = cfg!(target_os = "linux").then_some(socket);
                return Self { number, _held };
            }
        }
    }
}
