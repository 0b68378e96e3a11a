//! Processes on a core of their own, and what they take of it.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) address: SocketAddr,
    folder: Option<PathBuf>,
}

impl Child {
    /// Starts the bare proxy.
    pub(crate) fn bare(core: usize, provider: SocketAddr) -> Self {
        let program = env::current_exe().expect("this program");
        let mut command = on_core(core, program);
        let mut process = command
            .args(["bare", &provider.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("taskset is installed");
        let mut line = String::new();
        let output = process.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().parse().expect("an address");
        Self {
            process,
            address,
            folder: None,
        }
    }

    /// Starts the gateway as a user does, with a file.
    pub(crate) fn gateway(core: usize, provider: SocketAddr) -> Self {
        let address = free();
        let folder = env::temp_dir().join(format!("outcome-gateway-bench-{}", address.port()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("gateway.toml");
        fs::write(&file, configuration(address, provider, &folder)).expect("a file");
        let process = on_core(core, env!("CARGO_BIN_EXE_outcome-gateway").into())
            .args(["serve", "--config"])
            .arg(file)
            .env("BENCH_KEY", "sk-own")
            .env("XDG_STATE_HOME", &folder)
            .spawn()
            .expect("taskset is installed");
        while TcpStream::connect(address).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            process,
            address,
            folder: Some(folder),
        }
    }

    /// Returns the processor time that it took so far, in user and in system mode.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()));
        let stat = stat.expect("Linux, and it still runs");
        // After the name, which may hold anything, but ends the only parentheses.
        let fields = stat.rsplit_once(") ").expect("a name").1;
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().expect("a number"))
            .sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Keeps this process, and the threads that it will start, on a core.
pub(crate) fn pin_to(core: usize) {
    let done = Command::new("taskset")
        .args(["-pc", &core.to_string(), &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status();
    assert!(done.expect("taskset is installed").success());
}

/// `taskset` becomes the program: its process is the program's.
fn on_core(core: usize, program: PathBuf) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound")
}

fn configuration(address: SocketAddr, provider: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"
listen = "{address}"
[admin]
listen = "127.0.0.1:0"
[store]
path = "{folder}/state"
[[upstream]]
name = "provider"
base_url = "http://{provider}/v1"
api_key_env = "BENCH_KEY"
[[pool]]
name = "chat"
[[pool.target]]
model = "gpt-4o"
upstream = "provider"
price = {{ input = 2.5, output = 10.0 }}
[[pool.target]]
model = "gpt-4o-mini"
upstream = "provider"
price = {{ input = 0.15, output = 0.6 }}
"#
    )
}
