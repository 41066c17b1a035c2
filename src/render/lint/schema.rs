//! The elements of `Server.xml` that OvenMediaEngine 0.21 knows. It ends with
//! exit code 1 at the first it does not, so the templates are held to this
//! tree before anything is restarted. The names are those of its own
//! configuration classes.

/// What an element may hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Any text but none.
    Text,
    /// Text or nothing.
    Loose,
    /// `true` or `false`; other words are taken in silence for who knows what.
    Flag,
    /// Nothing, or a flag: its presence counts.
    Mark,
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// A port, 1 to 65535.
    Port,
    /// Further elements.
    Branch(&'static [Rule]),
}

/// An element by name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub name: &'static str,
    pub kind: Kind,
    /// Whether there may be several.
    pub many: bool,
}

const fn one(name: &'static str, kind: Kind) -> Rule {
    Rule {
        name,
        kind,
        many: false,
    }
}

const fn many(name: &'static str, kind: Kind) -> Rule {
    Rule {
        name,
        kind,
        many: true,
    }
}

use Kind::{Branch, Flag, Loose, Mark, Number, Port, Text, Whole};

/// What stands in `<Server>`.
pub(super) const SERVER: &[Rule] = &[
    one("Name", Text),
    one("Type", Text),
    many("IP", Text),
    one("StunServer", Text),
    one("PrivacyProtection", Flag),
    one("Bind", Branch(BIND)),
    one("Modules", Branch(MODULES)),
    one(
        "Managers",
        Branch(&[
            one("Host", HOST),
            one(
                "API",
                Branch(&[
                    one("AccessToken", Text),
                    one("CrossDomains", CROSS_DOMAINS),
                    one(
                        "Storage",
                        Branch(&[one("Enabled", Flag), one("Path", Text)]),
                    ),
                ]),
            ),
        ]),
    ),
    one("Alert", Branch(ALERT)),
    one(
        "Analytics",
        Branch(&[
            one("UserKey", Text),
            one(
                "Forwarding",
                Branch(&[one("Enable", Flag), one("Collector", Text)]),
            ),
        ]),
    ),
    one("Defaults", Branch(&[one("CrossDomains", CROSS_DOMAINS)])),
    one(
        "VirtualHosts",
        Branch(&[many("VirtualHost", Branch(VIRTUAL_HOST))]),
    ),
];

const BIND: &[Rule] = &[
    one("Managers", Branch(&[one("API", LISTENER)])),
    one(
        "Providers",
        Branch(&[
            one("OVT", THREADED_LISTENER),
            one("RTMP", THREADED_LISTENER),
            one("RTSP", THREADED_LISTENER),
            one("RTSPC", THREADED_LISTENER),
            one("SRT", SRT_LISTENER),
            // A range of ports.
            one(
                "MPEGTS",
                Branch(&[one("Port", Text), one("WorkerCount", Whole)]),
            ),
            one("WebRTC", WEBRTC_LISTENER),
        ]),
    ),
    one(
        "Publishers",
        Branch(&[
            one("OVT", LISTENER),
            one("LLHLS", LISTENER),
            one("HLS", LISTENER),
            one("Thumbnail", LISTENER),
            one("SRT", SRT_LISTENER),
            one("WebRTC", WEBRTC_LISTENER),
        ]),
    ),
];

const LISTENER: Kind = Branch(&[
    one("Port", Port),
    one("TLSPort", Port),
    one("WorkerCount", Whole),
]);

const THREADED_LISTENER: Kind = Branch(&[
    one("Port", Port),
    one("TLSPort", Port),
    one("WorkerCount", Whole),
    one("ThreadPerSocket", Flag),
]);

const SRT_LISTENER: Kind = Branch(&[
    one("Port", Port),
    one("WorkerCount", Whole),
    one("ThreadPerSocket", Flag),
    one("Options", OPTIONS),
    one(
        "StreamMap",
        Branch(&[many(
            "Stream",
            Branch(&[one("Port", Port), one("StreamPath", Text)]),
        )]),
    ),
]);

const WEBRTC_LISTENER: Kind = Branch(&[
    one("Signalling", LISTENER),
    one("TcpRelayBind", Text),
    one(
        "IceCandidates",
        Branch(&[
            many("IceCandidate", Text),
            many("TcpRelay", Text),
            one("TcpRelayForce", Flag),
            one("TcpForce", Flag),
            one("DefaultTransport", Text),
            one("TcpRelayWorkerCount", Whole),
            one("IceWorkerCount", Whole),
            one("EnableLinkLocalAddress", Flag),
        ]),
    ),
    one(
        "IceServers",
        Branch(&[many(
            "IceServer",
            Branch(&[
                one("Urls", Branch(&[many("Url", Text)])),
                one("UserName", Text),
                one("Credential", Text),
            ]),
        )]),
    ),
]);

const MODULES: &[Rule] = &[
    one("HTTP2", MODULE),
    one("LLHLS", MODULE),
    one("DynamicAppRemoval", MODULE),
    one("ETag", MODULE),
    one("ERTMP", MODULE),
    one(
        "P2P",
        Branch(&[one("Enable", Flag), one("MaxClientPeersPerHostPeer", Whole)]),
    ),
    one(
        "Recovery",
        Branch(&[one("Enable", Flag), one("DeleteLazyStreamTimeout", Whole)]),
    ),
];

const MODULE: Kind = Branch(&[one("Enable", Flag)]);

const ALERT: &[Rule] = &[
    one("Url", Text),
    one("SecretKey", Text),
    one("Timeout", Whole),
    one("RulesFile", Text),
    one(
        "Rules",
        Branch(&[
            one(
                "Ingress",
                Branch(&[
                    one("StreamStatus", Mark),
                    one("MinBitrate", Text),
                    one("MaxBitrate", Text),
                    one("MinFramerate", Number),
                    one("MaxFramerate", Number),
                    one("MinWidth", Whole),
                    one("MaxWidth", Whole),
                    one("MinHeight", Whole),
                    one("MaxHeight", Whole),
                    one("MinSamplerate", Whole),
                    one("MaxSamplerate", Whole),
                    one("LongKeyFrameInterval", Mark),
                    one("HasBFrames", Mark),
                ]),
            ),
            one(
                "Egress",
                Branch(&[
                    one("StreamStatus", Mark),
                    one("LLHLSReady", Mark),
                    one("HLSReady", Mark),
                    one("TranscodeStatus", Mark),
                ]),
            ),
            one("InternalQueueCongestion", Mark),
        ]),
    ),
];

const HOST: Kind = Branch(&[
    one("Names", Branch(&[many("Name", Text)])),
    one(
        "TLS",
        Branch(&[
            one("CertPath", Text),
            one("KeyPath", Text),
            one("ChainCertPath", Text),
        ]),
    ),
]);

const CROSS_DOMAINS: Kind = Branch(&[
    many("Url", Text),
    many("Header", Branch(&[one("Key", Text), one("Value", Text)])),
]);

const OPTIONS: Kind = Branch(&[many(
    "Option",
    Branch(&[one("Key", Text), one("Value", Text)]),
)]);

const ENABLES: Kind = Branch(&[one("Providers", Text), one("Publishers", Text)]);

const VIRTUAL_HOST: &[Rule] = &[
    one("Name", Text),
    one("Distribution", Text),
    one("Host", HOST),
    one(
        "SignedPolicy",
        Branch(&[
            one("PolicyQueryKeyName", Text),
            one("SignatureQueryKeyName", Text),
            one("SecretKey", Text),
            one("Enables", ENABLES),
        ]),
    ),
    one(
        "AdmissionWebhooks",
        Branch(&[
            one("ControlServerUrl", Text),
            one("SecretKey", Text),
            one("Timeout", Whole),
            one("Enables", ENABLES),
        ]),
    ),
    one("Origins", Branch(ORIGINS)),
    one(
        "OriginMapStore",
        Branch(&[
            one(
                "RedisServer",
                Branch(&[one("Host", Text), one("Auth", Text)]),
            ),
            one("OriginHostName", Text),
        ]),
    ),
    one("CrossDomains", CROSS_DOMAINS),
    one(
        "Applications",
        Branch(&[many("Application", Branch(APPLICATION))]),
    ),
];

const ORIGINS: &[Rule] = &[
    one(
        "Properties",
        Branch(&[
            one("NoInputFailoverTimeout", Whole),
            one("UnusedStreamDeletionTimeout", Whole),
            one("StreamFailbackTimeout", Whole),
            one("RetryCount", Whole),
        ]),
    ),
    many(
        "Origin",
        Branch(&[
            one("Location", Text),
            one(
                "Pass",
                Branch(&[
                    one("Scheme", Text),
                    one("Urls", Branch(&[many("Url", Text)])),
                    one("ForwardQueryParams", Flag),
                ]),
            ),
            one("Persistent", Flag),
            one("Failback", Flag),
            one("StrictLocation", Flag),
            one("Relay", Flag),
            one("IgnoreRtcpSRTimestamp", Flag),
        ]),
    ),
];

const APPLICATION: &[Rule] = &[
    one("Name", Text),
    one("Type", Text),
    one(
        "Decodes",
        Branch(&[
            one("Video", Branch(&[one("HardwareAcceleration", Flag)])),
            one("H264hasBframes", Whole),
        ]),
    ),
    one("OutputProfiles", Branch(OUTPUT_PROFILES)),
    one("Providers", Branch(PROVIDERS)),
    one("Publishers", Branch(PUBLISHERS)),
    one(
        "PersistentStreams",
        Branch(&[many(
            "Stream",
            Branch(&[
                one("Name", Text),
                one("OriginStreamName", Text),
                one("FallbackStreamName", Text),
            ]),
        )]),
    ),
    one(
        "TranscodeWebhook",
        Branch(&[
            one("Enable", Flag),
            one("ControlServerUrl", Text),
            one("SecretKey", Text),
            one("Timeout", Whole),
            one("UseLocalProfilesOnConnectionFailure", Flag),
            one("UseLocalProfilesOnServerDisallow", Flag),
            one("UseLocalProfilesOnErrorResponse", Flag),
        ]),
    ),
    one(
        "EventGenerator",
        Branch(&[one("Enable", Flag), one("Path", Text)]),
    ),
];

const OUTPUT_PROFILES: &[Rule] = &[
    one("HardwareAcceleration", Flag),
    one(
        "HWAccels",
        Branch(&[one("Decoder", ACCELERATOR), one("Encoder", ACCELERATOR)]),
    ),
    one(
        "Decodes",
        Branch(&[one("ThreadCount", Whole), one("OnlyKeyframes", Flag)]),
    ),
    one(
        "MediaOptions",
        Branch(&[one(
            "Overlays",
            Branch(&[one("Enable", Flag), one("Path", Text)]),
        )]),
    ),
    many(
        "OutputProfile",
        Branch(&[
            one("Name", Text),
            one("OutputStreamName", Text),
            one(
                "Encodes",
                Branch(&[
                    many("Audio", Branch(AUDIO)),
                    many("Video", Branch(VIDEO)),
                    many("Image", Branch(IMAGE)),
                ]),
            ),
            many("Playlist", Branch(PLAYLIST)),
        ]),
    ),
];

const ACCELERATOR: Kind = Branch(&[one("Enable", Flag), one("Modules", Text)]);

const BYPASS_IF_MATCH: Kind = Branch(&[
    one("Codec", Text),
    one("Bitrate", Text),
    one("Framerate", Text),
    one("Width", Text),
    one("Height", Text),
    one("SAR", Text),
    one("Samplerate", Text),
    one("Channel", Text),
]);

const AUDIO: &[Rule] = &[
    one("Name", Text),
    one("Bypass", Flag),
    one("Active", Flag),
    one("Codec", Text),
    one("Modules", Text),
    one("Bitrate", Text),
    one("Samplerate", Whole),
    one("Channel", Whole),
    one("BypassIfMatch", BYPASS_IF_MATCH),
];

const VIDEO: &[Rule] = &[
    one("Name", Text),
    one("Bypass", Flag),
    one("Active", Flag),
    one("Codec", Text),
    one("Modules", Text),
    one("Bitrate", Text),
    one("Width", Whole),
    one("Height", Whole),
    one("Framerate", Number),
    one("SkipFrames", Whole),
    one("Preset", Text),
    one("ThreadCount", Whole),
    one("KeyFrameIntervalType", Text),
    one("KeyFrameInterval", Number),
    one("BFrames", Whole),
    one("Profile", Text),
    one("Lookahead", Whole),
    one("BypassIfMatch", BYPASS_IF_MATCH),
];

const IMAGE: &[Rule] = &[
    one("Name", Text),
    one("Codec", Text),
    one("Modules", Text),
    one("Width", Whole),
    one("Height", Whole),
    one("Framerate", Number),
    one("SkipFrames", Whole),
    one("BypassIfMatch", BYPASS_IF_MATCH),
];

const PLAYLIST: &[Rule] = &[
    one("Name", Text),
    one("FileName", Text),
    one(
        "Options",
        Branch(&[
            one("WebRtcAutoAbr", Flag),
            one("HLSChunklistPathDepth", Whole),
            one("EnableTsPackaging", Flag),
            one("EnableSubtitles", Flag),
        ]),
    ),
    many(
        "Rendition",
        Branch(&[
            one("Name", Text),
            one("Video", Text),
            one("Audio", Text),
            one("VideoIndexHint", Whole),
            one("AudioIndexHint", Whole),
        ]),
    ),
    many(
        "RenditionTemplate",
        Branch(&[
            one("Name", Text),
            one(
                "VideoTemplate",
                Branch(&[
                    one("VariantName", Text),
                    one("EncodingType", Text),
                    one("MaxWidth", Whole),
                    one("MinWidth", Whole),
                    one("MaxHeight", Whole),
                    one("MinHeight", Whole),
                    one("MaxFramerate", Number),
                    one("MinFramerate", Number),
                    one("MaxBitrate", Text),
                    one("MinBitrate", Text),
                ]),
            ),
            one(
                "AudioTemplate",
                Branch(&[
                    one("VariantName", Text),
                    one("EncodingType", Text),
                    one("MaxBitrate", Text),
                    one("MinBitrate", Text),
                    one("MaxSamplerate", Whole),
                    one("MinSamplerate", Whole),
                    one("MaxChannel", Whole),
                    one("MinChannel", Whole),
                ]),
            ),
        ]),
    ),
];

const MAX_CONNECTION: Rule = one("MaxConnection", Whole);
const SILENCE: Rule = one("PacketSilenceTimeoutMs", Whole);
const TIMESTAMPS: Rule = one("TimestampMode", Text);
const INCOMING: Rule = one("UseIncomingTimestamp", Flag);
const DUPLICATES: Rule = one("BlockDuplicateStreamName", Flag);
const PASS_PROFILE: Rule = one("PassthroughOutputProfile", Flag);

const PROVIDER: Kind = Branch(&[
    MAX_CONNECTION,
    SILENCE,
    TIMESTAMPS,
    INCOMING,
    DUPLICATES,
    PASS_PROFILE,
]);

const AUDIO_MAP: Rule = one(
    "AudioMap",
    Branch(&[many(
        "Item",
        Branch(&[
            one("Name", Text),
            one("Language", Text),
            one("Characteristics", Text),
        ]),
    )]),
);

const PROVIDERS: &[Rule] = &[
    one(
        "RTMP",
        Branch(&[
            MAX_CONNECTION,
            SILENCE,
            TIMESTAMPS,
            INCOMING,
            DUPLICATES,
            PASS_PROFILE,
            one(
                "EventGenerator",
                Branch(&[many(
                    "Event",
                    Branch(&[
                        one("Trigger", Text),
                        one(
                            "HLSID3v2",
                            Branch(&[
                                one("EventType", Text),
                                one("FrameType", Text),
                                one("Info", Text),
                                one("Data", Loose),
                            ]),
                        ),
                    ]),
                )]),
            ),
        ]),
    ),
    one(
        "SRT",
        Branch(&[
            MAX_CONNECTION,
            SILENCE,
            TIMESTAMPS,
            INCOMING,
            DUPLICATES,
            AUDIO_MAP,
        ]),
    ),
    one(
        "WebRTC",
        Branch(&[
            MAX_CONNECTION,
            SILENCE,
            TIMESTAMPS,
            INCOMING,
            one("Timeout", Whole),
            one("FIRInterval", Whole),
            one("CrossDomains", CROSS_DOMAINS),
        ]),
    ),
    one("OVT", PROVIDER),
    one("RTSP", PROVIDER),
    one("RTSPPull", PROVIDER),
    one(
        "FILE",
        Branch(&[
            MAX_CONNECTION,
            PASS_PROFILE,
            one("RootPath", Text),
            one(
                "StreamMap",
                Branch(&[many(
                    "Stream",
                    Branch(&[one("Name", Text), one("Path", Text)]),
                )]),
            ),
        ]),
    ),
    one(
        "Schedule",
        Branch(&[one("MediaRootDir", Text), one("ScheduleFilesDir", Text)]),
    ),
    one("Multiplex", Branch(&[one("MuxFilesDir", Text)])),
    one(
        "MPEGTS",
        Branch(&[
            SILENCE,
            AUDIO_MAP,
            one(
                "StreamMap",
                Branch(&[many(
                    "Stream",
                    Branch(&[one("Name", Text), one("Port", Text)]),
                )]),
            ),
        ]),
    ),
];

const DVR: Rule = one(
    "DVR",
    Branch(&[
        one("Enable", Flag),
        one("TempStoragePath", Text),
        one("MaxDuration", Whole),
        one("EventPlaylistType", Flag),
    ]),
);
const DUMPS: Rule = one(
    "Dumps",
    Branch(&[many(
        "Dump",
        Branch(&[
            one("Id", Text),
            one("Enable", Flag),
            one("TargetStreamName", Text),
            one("OutputPath", Text),
            one("Playlists", Branch(&[many("Playlist", Text)])),
        ]),
    )]),
);
const CACHE_CONTROL: Rule = one(
    "CacheControl",
    Branch(&[
        one("MasterPlaylistMaxAge", Whole),
        one("ChunklistMaxAge", Whole),
        one("ChunklistWithDirectivesMaxAge", Whole),
        one("SegmentMaxAge", Whole),
        one("PartialSegmentMaxAge", Whole),
    ]),
);
const QUERY: Rule = one("DefaultQueryString", Branch(&[many("Query", Loose)]));
const STREAM_MAP: Rule = one(
    "StreamMap",
    Branch(&[one("Enable", Flag), one("Path", Text)]),
);

const PUBLISHERS: &[Rule] = &[
    one("AppWorkerCount", Whole),
    one("StreamWorkerCount", Whole),
    one("DelayBufferTimeMs", Whole),
    one(
        "WebRTC",
        Branch(&[
            MAX_CONNECTION,
            one("Timeout", Whole),
            one("JitterBuffer", Flag),
            one("Rtx", Flag),
            one("Ulpfec", Flag),
            one(
                "PlayoutDelay",
                Branch(&[one("Min", Whole), one("Max", Whole)]),
            ),
            one("CreateDefaultPlaylist", Flag),
            one("BandwidthEstimation", Text),
        ]),
    ),
    one(
        "LLHLS",
        Branch(&[
            MAX_CONNECTION,
            one("OriginMode", Flag),
            one("ServerTimeBasedSegmentNumbering", Flag),
            one("ChunkDuration", Number),
            one("PartHoldBack", Number),
            one("SegmentDuration", Whole),
            one("SegmentCount", Whole),
            one("EnablePreloadHint", Flag),
            one("CreateDefaultPlaylist", Flag),
            one("CrossDomains", CROSS_DOMAINS),
            one("DRM", Branch(&[one("Enable", Flag), one("InfoFile", Text)])),
            DVR,
            DUMPS,
            CACHE_CONTROL,
            QUERY,
        ]),
    ),
    one(
        "HLS",
        Branch(&[
            MAX_CONNECTION,
            one("OriginMode", Flag),
            one("ServerTimeBasedSegmentNumbering", Flag),
            one("SegmentDuration", Whole),
            one("SegmentCount", Whole),
            one("CreateDefaultPlaylist", Flag),
            one("CrossDomains", CROSS_DOMAINS),
            DVR,
            DUMPS,
            CACHE_CONTROL,
            QUERY,
        ]),
    ),
    one("OVT", Branch(&[MAX_CONNECTION])),
    one(
        "FILE",
        Branch(&[
            MAX_CONNECTION,
            one("RootPath", Text),
            one("FilePath", Text),
            one("InfoPath", Text),
            STREAM_MAP,
        ]),
    ),
    one(
        "Thumbnail",
        Branch(&[MAX_CONNECTION, one("CrossDomains", CROSS_DOMAINS)]),
    ),
    one(
        "Push",
        Branch(&[
            MAX_CONNECTION,
            STREAM_MAP,
            one("ConnectionTimeout", Whole),
            one("SendTimeout", Whole),
        ]),
    ),
    one("SRT", Branch(&[MAX_CONNECTION])),
];
