//! The elements `Server.xml` may hold: what the contract's sample uses or its
//! text names. OME knows more; refusing those here errs on the strict side.

use super::xml::Node;

/// Braces hold children; `*` marks an item of a list, where the path of an
/// error starts anew; `#` marks a port.
const TREE: &str = "
Server{Name Type IP PrivacyProtection StunServer
  Alert{Url SecretKey Timeout Rules{Ingress{MinBitrate MaxBitrate MinFramerate MaxFramerate MinWidth MinHeight MaxWidth MaxHeight MinSamplerate MaxSamplerate LongKeyFrameInterval HasBFrames}}}
  Modules{HTTP2{Enable} LLHLS{Enable}}
  Bind{
    Managers{API{#Port #TLSPort WorkerCount}}
    Providers{
      RTMP{#Port WorkerCount ThreadPerSocket}
      SRT{#Port WorkerCount ThreadPerSocket StreamMap{*Stream{Port StreamPath}}}
      WebRTC{Signalling{#Port #TLSPort WorkerCount} IceCandidates{IceCandidate TcpRelay TcpRelayForce TcpRelayWorkerCount TcpIceWorkerCount UdpIceWorkerCount}}
      OVT{WorkerCount}}
    Publishers{
      OVT{#Port WorkerCount}
      LLHLS{#Port #TLSPort WorkerCount}
      WebRTC{Signalling{#Port #TLSPort WorkerCount} IceCandidates{IceCandidate TcpRelay TcpRelayForce TcpRelayWorkerCount TcpIceWorkerCount UdpIceWorkerCount DefaultTransport}}}}
  Managers{Host{Names{Name} TLS{CertPath KeyPath ChainCertPath}} API{AccessToken CrossDomains{Url}}}
  Defaults{CrossDomains{Url}}
  VirtualHosts{*VirtualHost{Name
    Host{Names{Name} TLS{CertPath KeyPath ChainCertPath}}
    CrossDomains{Url}
    SignedPolicy{PolicyQueryKeyName SignatureQueryKeyName SecretKey Enables{Providers Publishers}}
    AdmissionWebhooks{ControlServerUrl SecretKey Timeout Enables{Providers Publishers}}
    Origins{Properties{NoInputFailoverTimeout UnusedStreamDeletionTimeout} *Origin{Location Pass{Scheme Urls{Url}}}}
    OriginMapStore{RedisServer{Host Auth} OriginHostName}
    Applications{*Application{Name Type
      OutputProfiles{*OutputProfile{Name OutputStreamName
        *Playlist{Name FileName Options{HLSChunklistPathDepth WebRtcAutoAbr} *Rendition{Name Video Audio}}
        Encodes{
          *Video{Name Bypass Codec Bitrate Width Height Framerate KeyFrameInterval BFrames Profile Preset ThreadCount BypassIfMatch{Codec Framerate Width Height}}
          *Audio{Name Bypass Codec Bitrate Samplerate Channel BypassIfMatch{Codec Samplerate Channel}}}}}
      Providers{
        RTMP{PacketSilenceTimeoutMs BlockDuplicateStreamName}
        SRT{PacketSilenceTimeoutMs BlockDuplicateStreamName}
        WebRTC{Timeout CrossDomains{Url}}
        OVT}
      Publishers{AppWorkerCount StreamWorkerCount
        OVT
        WebRTC{Timeout Rtx Ulpfec JitterBuffer}
        LLHLS{OriginMode ChunkDuration PartHoldBack SegmentDuration SegmentCount CrossDomains{Url}}
        FILE{RootPath}
        Push}}}}}}
";

/// One element of the tree.
#[derive(Debug, Default)]
pub struct Element {
    name: String,
    list_item: bool,
    port: bool,
    children: Vec<Element>,
}

impl Element {
    fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }
}

/// The tree, read from its text.
pub fn server() -> Element {
    let mut open = vec![Element::default()];
    let mut word = Element::default();
    let close = |word: &mut Element, open: &mut Vec<Element>| {
        if !word.name.is_empty()
            && let Some(parent) = open.last_mut()
        {
            parent.children.push(std::mem::take(word));
        }
    };
    for sign in TREE.chars() {
        match sign {
            '*' => word.list_item = true,
            '#' => word.port = true,
            '{' => open.push(std::mem::take(&mut word)),
            '}' => {
                close(&mut word, &mut open);
                if let Some(done) = open.pop()
                    && let Some(parent) = open.last_mut()
                {
                    parent.children.push(done);
                }
            }
            c if c.is_whitespace() => close(&mut word, &mut open),
            c => word.name.push(c),
        }
    }
    open.pop()
        .and_then(|mut top| top.children.pop())
        .unwrap_or_default()
}

/// How OME names an element in paths and JSON: `llhls`, `webrtc`, `outputProfiles`.
pub fn json_name(name: &str) -> String {
    match name {
        "WebRTC" => return "webrtc".to_owned(),
        "TLSPort" => return "tlsPort".to_owned(),
        _ => {}
    }
    if name
        .chars()
        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    {
        return name.to_lowercase();
    }
    let mut signs = name.chars();
    signs
        .next()
        .map(|c| c.to_ascii_lowercase())
        .into_iter()
        .chain(signs)
        .collect()
}

/// Checks a document against the tree: OME's message for the first fault.
pub fn check(node: &Node, element: &Element, path: &str, file: &str) -> Result<(), String> {
    for child in &node.children {
        let Some(known) = element.child(&child.name) else {
            return Err(format!(
                "[Config] Unknown item found: {path}.{} in {file}",
                child.name
            ));
        };
        if known.port && !child.text.parse::<u16>().is_ok_and(|p| p > 0) {
            return Err(format!("[Config] Invalid port: {}", child.text));
        }
        let below = if known.list_item {
            child.name.clone()
        } else {
            format!("{path}.{}", json_name(&child.name))
        };
        check(child, known, &below, file)?;
    }
    let mandatory: &[&str] = match node.name.as_str() {
        "Server" => &["Type", "IP", "Bind"],
        "VirtualHost" => &["Name"],
        "Application" => &["Name", "Type"],
        "OutputProfile" => &["Name", "OutputStreamName"],
        _ => &[],
    };
    for name in mandatory {
        if node.child(name).is_none() {
            return Err(format!(
                "[Config] {}.{} is not optional",
                node.name,
                json_name(name)
            ));
        }
    }
    Ok(())
}
