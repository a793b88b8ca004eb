//! `meshtap wasm`: the digest of a filter module, and OCI images of it without any container tool.
//!
//! An image is a folder in the OCI layout, which `skopeo copy oci:FOLDER docker://…` and others push. Istio reads two
//! kinds: one layer of tar and gzip with `plugin.wasm` in it, as a build from a Containerfile has it, and the module as
//! an artifact's blob. The same module gives the same bytes, so the digest of the manifest, which is what a
//! `WasmPlugin` with an `oci://` URL names as `sha256`, can be known before anything is pushed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::Config;
use crate::hex::Hex;
use crate::wasm_module::WasmModule;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The module; without it, wasm.module of the configuration.
    #[arg(value_name = "FILE")]
    module: Option<PathBuf>,
    /// The configuration that names the module.
    #[arg(long, value_name = "FILE", conflicts_with = "module")]
    config: Option<PathBuf>,
    /// Make an OCI image of the module in this folder, which must not exist, and print the manifest's sha256 instead.
    #[arg(long, value_name = "FOLDER")]
    oci: Option<PathBuf>,
    /// The kind of image.
    #[arg(long, value_enum, default_value_t = Layout::Compat, requires = "oci")]
    layout: Layout,
    /// The name of the image in the folder.
    #[arg(long, default_value = "latest", requires = "oci")]
    tag: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// One layer with plugin.wasm in it; every registry takes it.
    Compat,
    /// The module as it is, with media types of its own.
    Artifact,
}

/// Prints 64 hexadecimal digits and a line's end.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let path = match &arguments.module {
        Some(path) => path.clone(),
        None => configured(arguments.config.as_deref())?,
    };
    let module = WasmModule::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let digest = match &arguments.oci {
        None => module.sha256().to_owned(),
        Some(folder) => write(folder, &module, arguments.layout, &arguments.tag)
            .with_context(|| format!("writing the image to {}", folder.display()))?,
    };
    Ok(writeln!(out, "{digest}")?)
}

fn configured(file: Option<&Path>) -> anyhow::Result<PathBuf> {
    let config = Config::load(file).map_err(|mistakes| anyhow::anyhow!("{mistakes}"))?;
    config.wasm.module.context("no module: name a FILE, or set wasm.module in the configuration")
}

/// Writes the image; the sha256 of its manifest.
fn write(folder: &Path, module: &WasmModule, layout: Layout, tag: &str) -> anyhow::Result<String> {
    fs::create_dir_all(folder.parent().unwrap_or(Path::new("")))?;
    fs::create_dir(folder)?;
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let blob = |bytes: &[u8], media_type: &str| -> anyhow::Result<Value> {
        let digest = Hex(&Sha256::digest(bytes)).to_string();
        fs::write(blobs.join(&digest), bytes)?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()}))
    };
    let Content { config, config_type, layers } = content(module, layout)?;
    let layers: Vec<Value> =
        layers.iter().map(|(bytes, media_type)| blob(bytes, media_type)).collect::<Result<_, _>>()?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(config.to_string().as_bytes(), config_type)?,
        "layers": layers,
    });
    let manifest = manifest.to_string();
    let mut entry = blob(manifest.as_bytes(), "application/vnd.oci.image.manifest.v1+json")?;
    let index = {
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        json!({"schemaVersion": 2, "manifests": [entry]})
    };
    fs::write(folder.join("index.json"), index.to_string())?;
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(Hex(&Sha256::digest(manifest.as_bytes())).to_string())
}

/// What an image holds beside its manifest.
struct Content {
    config: Value,
    config_type: &'static str,
    /// Bytes and media type.
    layers: Vec<(Vec<u8>, &'static str)>,
}

/// Of the artifact's configuration, which Istio wants as a layer too.
const ARTIFACT_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";

fn content(module: &WasmModule, layout: Layout) -> anyhow::Result<Content> {
    Ok(match layout {
        Layout::Compat => {
            let archive = archive(module.bytes())?;
            let diff = format!("sha256:{}", Hex(&Sha256::digest(&archive)));
            Content {
                config: json!({
                    "architecture": "amd64",
                    "os": "linux",
                    "config": {},
                    "rootfs": {"type": "layers", "diff_ids": [diff]},
                }),
                config_type: "application/vnd.oci.image.config.v1+json",
                layers: vec![(gzip(&archive)?, "application/vnd.oci.image.layer.v1.tar+gzip")],
            }
        }
        Layout::Artifact => Content {
            config: json!({}),
            config_type: ARTIFACT_CONFIG,
            layers: vec![
                (b"{}".to_vec(), ARTIFACT_CONFIG),
                (module.bytes().to_vec(), "application/vnd.module.wasm.content.layer.v1+wasm"),
            ],
        },
    })
}

/// A tar of one file that holds nothing of the machine or the day.
fn archive(module: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(module.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "plugin.wasm", module)?;
    archive.into_inner()
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("meshtap-image-{}-{name}", std::process::id()));
            drop(fs::remove_dir_all(&folder));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("filter.wasm"), MODULE).unwrap();
            Self(folder)
        }

        fn image(&self, name: &str, layout: Layout) -> anyhow::Result<String> {
            let arguments = Arguments {
                module: Some(self.0.join("filter.wasm")),
                config: None,
                oci: Some(self.0.join(name)),
                layout,
                tag: "0.1.0".to_owned(),
            };
            let mut out = Vec::new();
            run(&arguments, &mut out)?;
            Ok(String::from_utf8(out).unwrap().trim().to_owned())
        }

        fn blob(&self, image: &str, descriptor: &Value) -> Vec<u8> {
            let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let bytes = fs::read(self.0.join(image).join("blobs/sha256").join(digest)).unwrap();
            assert_eq!(Hex(&Sha256::digest(&bytes)).to_string(), digest);
            assert_eq!(descriptor["size"], bytes.len());
            bytes
        }

        fn layer(&self, image: &str) -> Vec<u8> {
            let index = fs::read(self.0.join(image).join("index.json")).unwrap();
            let index: Value = serde_json::from_slice(&index).unwrap();
            let manifest = self.blob(image, &index["manifests"][0]);
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            self.blob(image, &manifest["config"]);
            self.blob(image, manifest["layers"].as_array().unwrap().last().unwrap())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn both_layouts_hold_the_module() {
        let folder = Folder::new("layouts");
        folder.image("artifact", Layout::Artifact).unwrap();
        assert_eq!(folder.layer("artifact"), MODULE);
        folder.image("compat", Layout::Compat).unwrap();
        let layer = folder.layer("compat");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&layer[..]));
        let mut entries = archive.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap(), Path::new("plugin.wasm"));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, MODULE);
        assert!(entries.next().is_none());
    }

    #[test]
    fn the_same_module_gives_the_same_image() {
        let folder = Folder::new("same");
        for layout in [Layout::Compat, Layout::Artifact] {
            let first = folder.image(&format!("{layout:?}-1"), layout).unwrap();
            let second = folder.image(&format!("{layout:?}-2"), layout).unwrap();
            assert_eq!(first, second);
            assert_eq!(first.len(), 64);
        }
    }

    #[test]
    fn an_image_is_not_written_over() {
        let folder = Folder::new("over");
        folder.image("image", Layout::Compat).unwrap();
        let error = format!("{:#}", folder.image("image", Layout::Compat).unwrap_err());
        assert!(error.contains("writing the image to") && error.contains("exists"), "{error}");
    }
}
