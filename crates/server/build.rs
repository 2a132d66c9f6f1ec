//! Builds the web console (`npm ci`, `vite build`) when its sources changed, and embeds it: a table of files with their
//! media types, tags and pre-compressed forms. `CORDBOARD_SKIP_WEB=1` embeds a placeholder instead (for lints).
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

type Result<T> = std::result::Result<T, String>;

fn main() {
    println!("cargo:rerun-if-env-changed=CORDBOARD_SKIP_WEB");
    if let Err(why) = build() {
        println!("cargo:error=the web console could not be built: {why}");
        std::process::exit(1);
    }
}

fn build() -> Result<()> {
    let out = PathBuf::from(std::env::var("OUT_DIR").map_err(|e| e.to_string())?);
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").map_err(|e| e.to_string())?);
    let web = manifest.ancestors().nth(2).map(|root| root.join("web")).ok_or("no workspace root")?;
    let table = out.join("web_assets.rs");
    if std::env::var_os("CORDBOARD_SKIP_WEB").is_some() {
        return write(&table, "pub static ASSETS: &[Asset] = &[];\n");
    }
    let mut sources = Vec::new();
    collect(&web, &mut sources)?;
    sources.sort();
    for file in &sources {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    for dir in ["src", "public", "widget"] {
        if web.join(dir).is_dir() {
            println!("cargo:rerun-if-changed={}", web.join(dir).display());
        }
    }
    let dist = web.join("dist");
    let stamp = dist.join(".sources");
    // Whoever deletes the built console gets it again.
    println!("cargo:rerun-if-changed={}", stamp.display());
    let hash = fingerprint(&sources)?;
    // One build serves every profile: debug, release and tests embed the same files.
    if fs::read_to_string(&stamp).unwrap_or_default() != hash {
        println!("cargo:warning=built the web console (npm ci, vite build); it is built again only when web/ changes");
        install(&web)?;
        run(Command::new("npm").args(["run", "--silent", "build"]).current_dir(&web))?;
        run(Command::new("node").args(["-e", COMPRESS]).arg(&dist).current_dir(&web))?;
        write(&stamp, &hash)?;
    }
    embed(&dist, &table)
}

/// `npm ci`, unless the installed packages already match the lock file.
fn install(web: &Path) -> Result<()> {
    let lock = fs::read_to_string(web.join("package-lock.json")).map_err(|e| format!("web/package-lock.json: {e}"))?;
    let stamp = web.join("node_modules/.cordboard-lock");
    if fs::read_to_string(&stamp).is_ok_and(|s| s == lock) {
        return Ok(());
    }
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(web))?;
    write(&stamp, &lock)
}

/// Writes `.br` and `.gz` beside every text file, with the compressors that node carries.
const COMPRESS: &str = r"
const fs = require('fs'), path = require('path'), z = require('zlib');
const walk = d => fs.readdirSync(d, {withFileTypes: true}).forEach(e => {
  const f = path.join(d, e.name);
  if (e.isDirectory()) return walk(f);
  if (!/\.(html|js|mjs|css|svg|json|txt|webmanifest)$/.test(e.name)) return;
  const b = fs.readFileSync(f);
  fs.writeFileSync(f + '.br', z.brotliCompressSync(b));
  fs.writeFileSync(f + '.gz', z.gzipSync(b, {level: 9}));
});
walk(process.argv[1]);
";

fn run(c: &mut Command) -> Result<()> {
    let name = format!("{c:?}");
    let out = c.output().map_err(|e| format!("{name}: {e}; node 20 and npm are needed"))?;
    if out.status.success() {
        return Ok(());
    }
    let tail = |b: &[u8]| {
        let text = String::from_utf8_lossy(b);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    };
    Err(format!("{name} failed:\n{}\n{}", tail(&out.stdout), tail(&out.stderr)))
}

/// What the build depends on: everything in `web/` but what it makes and its tests.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if matches!(name.as_str(), "node_modules" | "dist" | "e2e" | "dev" | "test-results") || name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn fingerprint(files: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.file_name().hash(&mut hasher);
        fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn embed(dist: &Path, table: &Path) -> Result<()> {
    let mut files = Vec::new();
    list(dist, &mut files)?;
    files.sort();
    let mut text = String::from("pub static ASSETS: &[Asset] = &[\n");
    for file in &files {
        let relative = file.strip_prefix(dist).map_err(|e| e.to_string())?.display().to_string();
        let mut hasher = DefaultHasher::new();
        fs::read(file).map_err(|e| e.to_string())?.hash(&mut hasher);
        let include = |suffix: &str| {
            let path = format!("{}{suffix}", file.display());
            if suffix.is_empty() {
                format!("include_bytes!({path:?})")
            } else if Path::new(&path).exists() {
                format!("Some(include_bytes!({path:?}))")
            } else {
                "None".to_owned()
            }
        };
        let _ = writeln!(
            text,
            "Asset {{ path: {relative:?}, media_type: {:?}, tag: \"\\\"{:016x}\\\"\", plain: {}, br: {}, gz: {} }},",
            media_type(&relative),
            hasher.finish(),
            include(""),
            include(".br"),
            include(".gz"),
        );
    }
    text.push_str("];\n");
    write(table, &text)
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            list(&path, files)?;
        } else if !name.ends_with(".br") && !name.ends_with(".gz") {
            files.push(path);
        }
    }
    Ok(())
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "webmanifest" => "application/json",
        "woff2" => "font/woff2",
        "wav" => "audio/wav",
        _ => "application/octet-stream",
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
