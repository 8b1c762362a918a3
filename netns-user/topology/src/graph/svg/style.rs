//! Colours and sizes of the picture.

/// The ratio of width to size of a character in a fixed-width font. The widest common font has
/// 0.602.
const FIXED: f32 = 0.615;

/// The same ratio for other text: more than the average.
const PROSE: f32 = 0.6;

/// Sizes of text in pixels.
pub(super) const TITLE: f32 = 20.0;
pub(super) const NAME: f32 = 14.0;
pub(super) const TEXT: f32 = 12.0;
pub(super) const SMALL: f32 = 11.0;

/// The width in pixels of a name or an address.
pub(super) fn fixed_width(text: &str, size: f32) -> f32 {
    cells(text) * size * FIXED
}

/// The width in pixels of other text.
pub(super) fn prose_width(text: &str, size: f32) -> f32 {
    cells(text) * size * PROSE
}

#[expect(clippy::cast_precision_loss, reason = "a text has few characters")]
fn cells(text: &str) -> f32 {
    unicode_width::UnicodeWidthStr::width(text) as f32
}

/// The style sheet. Its rules apply to this picture only, also where it is part of a page.
pub(super) const STYLE_SHEET: &str = "
.netns .sheet{fill:#ffffff}
.netns text{fill:#0f172a;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace;font-size:12px}
.netns .prose{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
.netns .title{font-size:20px;font-weight:600}
.netns .name{font-size:14px;font-weight:600}
.netns .small{font-size:11px}
.netns .muted{fill:#475569}
.netns .inverse{fill:#ffffff}
.netns .wire{fill:none;stroke:#64748b;stroke-width:1.6}
.netns .way{fill:none;stroke:#b45309;stroke-width:2}
.netns .inner{fill:none;stroke:#94a3b8;stroke-width:1.6}
.netns .joint{fill:#64748b;stroke:#ffffff;stroke-width:1}
.netns .namespace{fill:#ffffff;stroke:#94a3b8;stroke-width:1.2}
.netns .router{fill:#f1f5f9;stroke:#94a3b8;stroke-width:1.2}
.netns .bridge{fill:#ccfbf1;stroke:#0f766e;stroke-width:1.2}
.netns .uplink{fill:#fef3c7;stroke:#b45309;stroke-width:1.2}
.netns .outside{fill:#ede9fe;stroke:#6d28d9;stroke-width:1.2}
.netns .elsewhere{fill:none;stroke:#94a3b8;stroke-width:1.2;stroke-dasharray:4 3}
.netns .function{fill:#334155}
.netns .masquerade{fill:#b45309}
.netns .routed{fill:#6d28d9}
.netns .forward{fill:#0f766e}
.netns .mark{fill:#64748b}
.netns .mark-red{fill:#dc2626}
.netns .mark-blue{fill:#2563eb}
.netns .mark-green{fill:#16a34a}
.netns .mark-yellow{fill:#ca8a04}
.netns .mark-cyan{fill:#0891b2}
.netns .mark-magenta{fill:#c026d3}
@media (prefers-color-scheme:dark){
.netns .sheet{fill:#0b1220}
.netns text{fill:#f1f5f9}
.netns .muted{fill:#a9b6c8}
.netns .inverse{fill:#0b1220}
.netns .wire{stroke:#94a3b8}
.netns .way{stroke:#f59e0b}
.netns .inner{stroke:#64748b}
.netns .joint{fill:#cbd5e1;stroke:#0b1220}
.netns .namespace{fill:#1b2536;stroke:#56657c}
.netns .router{fill:#131c2e;stroke:#475569}
.netns .bridge{fill:#10403c;stroke:#2dd4bf}
.netns .uplink{fill:#452a0a;stroke:#f59e0b}
.netns .outside{fill:#2f2058;stroke:#a78bfa}
.netns .elsewhere{stroke:#64748b}
.netns .function{fill:#cbd5e1}
.netns .masquerade{fill:#f59e0b}
.netns .routed{fill:#a78bfa}
.netns .forward{fill:#2dd4bf}
.netns .mark{fill:#94a3b8}
.netns .mark-red{fill:#f87171}
.netns .mark-blue{fill:#60a5fa}
.netns .mark-green{fill:#4ade80}
.netns .mark-yellow{fill:#facc15}
.netns .mark-cyan{fill:#22d3ee}
.netns .mark-magenta{fill:#e879f9}
}
";

/// The class of the mark on a namespace's box: the colour that the namespace is named after.
pub(super) fn mark(name: &str) -> &'static str {
    match name {
        "red" => "mark-red",
        "blue" => "mark-blue",
        "green" => "mark-green",
        "yellow" => "mark-yellow",
        "cyan" => "mark-cyan",
        "magenta" => "mark-magenta",
        _ => "mark",
    }
}
