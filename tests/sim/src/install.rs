//! Lays out the tree of an image, which has no shell to do it.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::common::out;

/// What the published P2P image bakes in: known to everybody.
const P2P_ENV: &str = "\
PORT=3000
HOST_PROTECTED=false
HOST_USER_AUTH=false
HOST_USERS='[{\"username\":\"admin\",\"password\":\"admin\"},{\"username\":\"guest\",\"password\":\"guest\"}]'
JWT_KEY=mirotalkp2p_jwt_secret
JWT_EXP=1h
API_KEY_SECRET=mirotalkp2p_default_secret
API_DISABLED='[\"token\", \"meetings\"]'
";

/// `install KIND ROOT`.
pub fn run(args: &[String]) -> u8 {
    let result = match args {
        [kind, root] => lay_out(kind, Path::new(root)),
        _ => Err(io::Error::other(
            "usage: install ovenmediaengine|mirotalk-sfu|mirotalk-p2p ROOT",
        )),
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            out::error(&error.to_string());
            1
        }
    }
}

fn lay_out(kind: &str, root: &Path) -> io::Result<()> {
    let own = std::env::current_exe()?;
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)
    };
    let binary = |path: &str| {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&own, &path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    };
    write(
        "etc/passwd",
        "root:x:0:0:root:/root:/sbin/nologin\nnode:x:1000:1000::/home/node:/sbin/nologin\n",
    )?;
    write("etc/group", "root:x:0:\nnode:x:1000:\n")?;
    fs::create_dir_all(root.join("tmp"))?;
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let flavour = match kind {
        "ovenmediaengine" => {
            fs::create_dir_all(root.join("opt/ovenmediaengine/bin/origin_conf"))?;
            // As published: it starts, without REST.
            write("opt/ovenmediaengine/bin/origin_conf/Server.xml", SHIPPED)?;
            return binary("opt/ovenmediaengine/bin/ome_launcher.sh");
        }
        "mirotalk-sfu" => "Server.js",
        "mirotalk-p2p" => "server.js",
        other => {
            return Err(io::Error::other(format!(
                "there is no image called {other}"
            )));
        }
    };
    let name = if flavour == "Server.js" {
        "mirotalksfu"
    } else {
        "mirotalk"
    };
    write(
        "src/package.json",
        &format!("{{\"name\":\"{name}\",\"scripts\":{{\"start\":\"node app/src/{flavour}\"}}}}\n"),
    )?;
    write(
        &format!("src/app/src/{flavour}"),
        "// Played by the binary called node.\n",
    )?;
    if flavour == "server.js" {
        write("src/.env", P2P_ENV)?;
        write(
            "src/app/src/config.template.js",
            "// What a mounted config.js changes.\n",
        )?;
    }
    binary("usr/local/bin/node")?;
    symlink("node", root.join("usr/local/bin/npm"))
}

const SHIPPED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Server version="8"><Name>OvenMediaEngine</Name><Type>origin</Type><IP>*</IP>
  <Bind><Providers><RTMP><Port>1935</Port></RTMP></Providers><Publishers><LLHLS><Port>3333</Port></LLHLS></Publishers></Bind>
  <VirtualHosts><VirtualHost><Name>default</Name><Host><Names><Name>*</Name></Names></Host>
    <Applications><Application><Name>app</Name><Type>live</Type>
      <OutputProfiles><OutputProfile><Name>bypass_stream</Name><OutputStreamName>${OriginStreamName}</OutputStreamName><Encodes><Video><Bypass>true</Bypass></Video></Encodes></OutputProfile></OutputProfiles>
      <Providers><RTMP/></Providers><Publishers><LLHLS/></Publishers>
    </Application></Applications></VirtualHost></VirtualHosts></Server>
"#;
