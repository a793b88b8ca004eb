//! Serves ClickHouse's own HTTP interface from the engine in a shared library, until standard input is closed.
//!
//! ```text
//! clickhouse_local LIBRARY DATA_FOLDER HTTP_PORT [CONFIG_FILE [TCP_PORT]]
//! ```
//!
//! The engine is run as its own `clickhouse-local` with some queries: the first start the HTTP server, and the native one
//! where a port is given, the last reads a named pipe and so lasts until we close it.

use std::error::Error;
use std::ffi::{CString, c_char, c_int, c_void};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::ptr;
use std::thread;

use libloading::{Library, Symbol};
use rustix::fs::{CWD, FileType, Mode, mknodat};

type QueryCmdline = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, folder, port, others @ ..] = arguments.as_slice() else {
        return Err("usage: clickhouse_local LIBRARY DATA_FOLDER HTTP_PORT [CONFIG_FILE [TCP_PORT]]".into());
    };
    fs::create_dir_all(folder)?;
    let pipe = Path::new(folder).join("until-closed");
    let _ = fs::remove_file(&pipe);
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let pipe = pipe.display().to_string();
    let wait = format!("SELECT * FROM file('{pipe}', 'LineAsString', 'line String') FORMAT Null");
    thread::spawn(move || hold_open_until_input_ends(Path::new(&pipe)));
    let mut options = vec!["clickhouse", "--path", folder, "--listen_host", "127.0.0.1", "--http_port", port];
    let mut queries = vec!["--query", "SYSTEM START LISTEN HTTP"];
    if let Some(config) = others.first() {
        options.extend(["--config-file", config]);
    }
    if let Some(port) = others.get(1) {
        options.extend(["--tcp_port", port]);
        queries.extend(["--query", "SYSTEM START LISTEN TCP"]);
    }
    options.append(&mut queries);
    options.extend(["--query", &wait]);
    run(library, &options)
}

/// Opening waits for the query that reads the pipe.
fn hold_open_until_input_ends(pipe: &Path) {
    let writer = OpenOptions::new().write(true).open(pipe);
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    drop(writer);
}

#[expect(unsafe_code, reason = "the engine is a C library")]
fn run(library: &str, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let arguments =
        arguments.iter().map(|argument| CString::new(*argument)).collect::<Result<Vec<_>, _>>()?;
    let mut argv: Vec<*mut c_char> = arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(argv.len())?;
    argv.push(ptr::null_mut());
    // SAFETY: the library is the pinned engine; its function has this signature, reads `count` strings and the null
    // after them, and both outlive the call.
    unsafe {
        let library = Library::new(library)?;
        let query_cmdline: Symbol<'_, QueryCmdline> = library.get(b"chdb_query_cmdline\0")?;
        query_cmdline(count, argv.as_mut_ptr());
    }
    Ok(())
}
