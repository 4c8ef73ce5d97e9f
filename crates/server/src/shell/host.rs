//! `agent/host`: the machine that the agent runs on, as Linux tells it under `/proc`. The form is
//! that of gopsutil, a library that operators know from Consul's answers. What this machine does
//! not tell is 0 or empty, and named under `Errors`.

use std::fs::read_to_string;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::json as shown;
use crate::http::Reply;

/// The path whose disk is described.
const DISK: &str = "/";

/// Fields of the memory: the name, and the line of `/proc/meminfo`.
const MEMORY: &[(&str, &str)] = &[
    ("total", "MemTotal"),
    ("available", "MemAvailable"),
    ("free", "MemFree"),
    ("active", "Active"),
    ("inactive", "Inactive"),
    // Of other systems.
    ("wired", ""),
    ("laundry", ""),
    ("buffers", "Buffers"),
    ("writeBack", "Writeback"),
    ("dirty", "Dirty"),
    ("writeBackTmp", "WritebackTmp"),
    ("shared", "Shmem"),
    ("slab", "Slab"),
    ("sreclaimable", "SReclaimable"),
    ("sunreclaim", "SUnreclaim"),
    ("pageTables", "PageTables"),
    ("swapCached", "SwapCached"),
    ("commitLimit", "CommitLimit"),
    ("committedAS", "Committed_AS"),
    ("highTotal", "HighTotal"),
    ("highFree", "HighFree"),
    ("lowTotal", "LowTotal"),
    ("lowFree", "LowFree"),
    ("swapTotal", "SwapTotal"),
    ("swapFree", "SwapFree"),
    ("mapped", "Mapped"),
    ("vmallocTotal", "VmallocTotal"),
    ("vmallocUsed", "VmallocUsed"),
    ("vmallocChunk", "VmallocChunk"),
    ("hugePagesTotal", "HugePages_Total"),
    ("hugePagesFree", "HugePages_Free"),
    ("hugePagesRsvd", "HugePages_Rsvd"),
    ("hugePagesSurp", "HugePages_Surp"),
    ("hugePageSize", "Hugepagesize"),
];

/// Everything. The files are read on a thread that may wait for them.
pub(super) async fn show() -> Reply {
    // It only fails where the runtime ends, and then nobody reads the answer.
    let described = tokio::task::spawn_blocking(describe).await.unwrap_or_default();
    shown(&described)
}

fn describe() -> Value {
    let mut errors = Vec::new();
    let mut read = |path: &str| {
        read_to_string(path).unwrap_or_else(|error| {
            errors.push(format!("open {path}: {}", gotext::errno_text(&error)));
            String::new()
        })
    };
    let memory = memory(&read("/proc/meminfo"));
    let processors = processors(&read("/proc/cpuinfo"));
    let host = host(&read("/proc/stat"));
    let disk = disk(&read("/proc/self/mounts"));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    json!({
        "Memory": memory,
        "CPU": processors,
        "Host": host,
        "Disk": disk,
        "CollectionTime": u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
        "Errors": if errors.is_empty() { Value::Null } else { json!(errors) },
    })
}

/// Part of a whole in percent.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

/// From `/proc/meminfo`: bytes, and numbers of pages.
fn memory(text: &str) -> Map<String, Value> {
    let number = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let mut words = line.unwrap_or_default().split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        if words.next() == Some("kB") { number << 10 } else { number }
    };
    let field = |(name, line): &(&str, &str)| ((*name).to_owned(), json!(number(line)));
    let mut memory: Map<String, Value> = MEMORY.iter().map(field).collect();
    let cached = number("Cached") + number("SReclaimable");
    let total = number("MemTotal");
    let unused = number("MemFree") + number("Buffers") + cached;
    let used = total.saturating_sub(unused);
    memory.insert("cached".to_owned(), json!(cached));
    memory.insert("used".to_owned(), json!(used));
    memory.insert("usedPercent".to_owned(), json!(percent(used, total)));
    memory
}

/// From `/proc/cpuinfo`.
fn processors(text: &str) -> Vec<Value> {
    let processor = |block: &str| -> Option<Value> {
        let value = |name: &str| -> &str {
            let found = block.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == name).then_some(value.trim())
            });
            found.unwrap_or_default()
        };
        let number: u32 = value("processor").parse().ok()?;
        let cache = value("cache size").trim_end_matches(" KB");
        Some(json!({
            "cpu": number,
            "vendorId": value("vendor_id"),
            "family": value("cpu family"),
            "model": value("model"),
            "stepping": value("stepping").parse::<i32>().unwrap_or(0),
            "physicalId": value("physical id"),
            "coreId": value("core id"),
            "cores": 1,
            "modelName": value("model name"),
            "mhz": value("cpu MHz").parse::<f64>().unwrap_or(0.0),
            "cacheSize": cache.parse::<i32>().unwrap_or(0),
            "flags": value("flags").split_whitespace().collect::<Vec<_>>(),
            "microcode": value("microcode"),
        }))
    };
    text.split("\n\n").filter_map(processor).collect()
}

/// Names, and since when it runs, from `/proc/stat`.
fn host(stat: &str) -> Value {
    let booted = stat.lines().find_map(|line| line.strip_prefix("btime "));
    let booted: u64 = booted.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let uptime = read_to_string("/proc/uptime").unwrap_or_default();
    let uptime = uptime.split('.').next().and_then(|seconds| seconds.parse::<u64>().ok());
    let release = read_to_string("/etc/os-release").unwrap_or_default();
    let word = |name: &str| -> &str {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"')
    };
    let like = word("ID_LIKE").split_whitespace().next().unwrap_or(word("ID"));
    let names = rustix::system::uname();
    let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
    json!({
        "hostname": text(names.nodename()),
        "uptime": uptime.unwrap_or(0),
        "bootTime": booted,
        "procs": processes(),
        "os": std::env::consts::OS,
        "platform": word("ID"),
        "platformFamily": like,
        "platformVersion": word("VERSION_ID"),
        "kernelVersion": text(names.release()),
        "kernelArch": text(names.machine()),
        "virtualizationSystem": "",
        "virtualizationRole": "",
        "hostId": host_id(&read_to_string("/etc/machine-id").unwrap_or_default()),
    })
}

fn processes() -> usize {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let named =
        entries.filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit));
    named.count()
}

/// The machine's number in the form of a UUID; empty if it has none.
fn host_id(text: &str) -> String {
    let digits = text.trim();
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return String::new();
    }
    let part = |from: usize, to: usize| &digits[from..to];
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

fn disk(mounts: &str) -> Value {
    // The last one lies on top of the others.
    let kind = mounts.lines().rev().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        (words.next() == Some(DISK)).then(|| words.next())?
    });
    let Ok(disk) = rustix::fs::statvfs(DISK) else {
        return json!({ "path": DISK, "fstype": kind.unwrap_or_default() });
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let used = disk.f_blocks.saturating_sub(disk.f_bfree).saturating_mul(disk.f_frsize);
    let files_used = disk.f_files.saturating_sub(disk.f_ffree);
    json!({
        "path": DISK,
        "fstype": kind.unwrap_or_default(),
        "total": disk.f_blocks.saturating_mul(disk.f_frsize),
        "free": free,
        "used": used,
        "usedPercent": percent(used, used.saturating_add(free)),
        "inodesTotal": disk.f_files,
        "inodesUsed": files_used,
        "inodesFree": disk.f_ffree,
        "inodesUsedPercent": percent(files_used, disk.f_files),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn memory_is_read_as_bytes() {
        let text = "MemTotal:  1000 kB\nMemFree:  400 kB\nBuffers: 50 kB\nCached:  100 kB\n\
                    SwapCached:  7 kB\nSReclaimable: 50 kB\nHugePages_Total:       3\n";
        let memory = memory(text);
        assert_eq!(memory["total"], 1000 << 10);
        assert_eq!(memory["cached"], 150 << 10);
        assert_eq!(memory["used"], 400 << 10);
        assert_eq!(memory["usedPercent"], 40.0);
        assert_eq!(memory["hugePagesTotal"], 3);
        assert_eq!(memory["wired"], 0);
        assert_eq!(memory.len(), MEMORY.len() + 3);
    }

    #[test]
    fn processors_are_told_apart() {
        let text = "processor\t: 0\nvendor_id\t: V\ncpu MHz\t\t: 2000.5\nflags\t\t: fpu sse\n\n\
                    processor\t: 1\ncache size\t: 512 KB\n\nHardware\t: a board\n\n";
        let processors = processors(text);
        assert_eq!(processors.len(), 2);
        assert_eq!(processors[0]["flags"], json!(["fpu", "sse"]));
        assert_eq!(processors[0]["mhz"], 2000.5);
        assert_eq!(processors[1]["cacheSize"], 512);
    }

    #[test]
    fn a_machine_has_a_number_or_none() {
        let id = "0123456789abcdef0123456789abcdef\n";
        assert_eq!(host_id(id), "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(host_id("uninitialized\n"), "");
    }

    #[test]
    fn this_machine_has_memory_and_a_disk() {
        let described = describe();
        assert!(described["Memory"]["total"].as_u64().unwrap() > 0);
        assert!(described["Disk"]["total"].as_u64().unwrap() > 0);
        assert!(described["Host"]["procs"].as_u64().unwrap() > 0);
        assert!(described["Errors"].is_null(), "{}", described["Errors"]);
    }
}
