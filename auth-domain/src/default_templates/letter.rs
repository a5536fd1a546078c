//! How a mail looks, as plain text and as HTML.

use html_escape::{encode_double_quoted_attribute, encode_text};
use zeroize::Zeroizing;

use crate::{Locale, MailContent};

/// A mail in words.
pub(super) struct Letter<'a> {
    pub(super) locale: Locale,
    /// One line.
    pub(super) subject: String,
    pub(super) opening: String,
    pub(super) link: Option<Link<'a>>,
    pub(super) closing: String,
}

/// The link of a mail, and what is said about it.
pub(super) struct Link<'a> {
    pub(super) address: &'a str,
    /// What the button says.
    pub(super) action: String,
    /// What stands above the bare address.
    pub(super) in_full: String,
}

/// The colours of a mail for readers of light or dark screens. Each text is read against its ground.
struct Colours {
    ground: &'static str,
    text: &'static str,
    /// Of what stands back.
    quiet: &'static str,
    button: &'static str,
    on_button: &'static str,
}

const LIGHT: Colours = Colours {
    ground: "#ffffff",
    text: "#1f2328",
    quiet: "#57606a",
    button: "#0b57d0",
    on_button: "#ffffff",
};

const DARK: Colours = Colours {
    ground: "#121417",
    text: "#e6e8eb",
    quiet: "#a3abb5",
    button: "#a8c7fa",
    on_button: "#062e6f",
};

impl Letter<'_> {
    pub(super) fn into_content(self) -> MailContent {
        let (text, html) = (self.text(), self.html());
        MailContent { subject: self.subject, text, html }
    }

    /// The link alone on its line, so that whatever shows the text finds its end.
    fn text(&self) -> Zeroizing<String> {
        let link = self.link.as_ref().map(|link| format!("{}\n\n", link.address));
        let link = Zeroizing::new(link.unwrap_or_default());
        Zeroizing::new(format!("{}\n\n{}{}\n", self.opening, *link, self.closing))
    }

    /// One column without tables, images or anything from elsewhere. The light colours are in the elements,
    /// for mail programs that drop the style sheet, which has the dark ones.
    fn html(&self) -> Zeroizing<String> {
        let link = self.link.as_ref().map(Link::html).unwrap_or_default();
        let direction = if self.locale.is_right_to_left() { "rtl" } else { "ltr" };
        let Colours { ground, text, .. } = LIGHT;
        Zeroizing::new(format!(
            "<!doctype html>\n\
             <html lang=\"{language}\" dir=\"{direction}\">\n\
             <head>\n\
             <meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"supported-color-schemes\" content=\"light dark\">\n\
             <title>{subject}</title>\n\
             <style>\n{style}</style>\n\
             </head>\n\
             <body class=\"ground\" style=\"margin:0;padding:0;background-color:{ground}\">\n\
             <div class=\"ground\" role=\"article\" lang=\"{language}\" dir=\"{direction}\" \
             style=\"max-width:512px;margin:0 auto;padding:32px 24px;background-color:{ground};\
             color:{text};font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:16px;\
             line-height:1.5\">\n\
             <h1 style=\"margin:0 0 16px;font-size:22px;line-height:1.3\">{subject}</h1>\n\
             <p style=\"margin:0 0 24px\">{opening}</p>\n\
             {link}\
             <p style=\"margin:0\">{closing}</p>\n\
             </div>\n</body>\n</html>\n",
            language = self.locale,
            style = dark_style(),
            subject = encode_text(&self.subject),
            opening = encode_text(&self.opening),
            link = *link,
            closing = encode_text(&self.closing),
        ))
    }
}

impl Link<'_> {
    fn html(&self) -> Zeroizing<String> {
        let Colours { quiet, button, on_button, .. } = LIGHT;
        Zeroizing::new(format!(
            "<p style=\"margin:0 0 24px\"><a class=\"button\" href=\"{address}\" \
             style=\"display:inline-block;padding:12px 24px;border-radius:8px;\
             background-color:{button};color:{on_button};font-weight:600;text-decoration:none\">\
             {action}</a></p>\n\
             <p class=\"quiet\" style=\"margin:0 0 24px;color:{quiet};font-size:14px\">{in_full}<br>\n\
             <span dir=\"ltr\" style=\"word-break:break-all\">{shown}</span></p>\n",
            address = encode_double_quoted_attribute(self.address),
            action = encode_text(&self.action),
            in_full = encode_text(&self.in_full),
            shown = encode_text(self.address),
        ))
    }
}

/// What a dark screen changes. `!important`, since it stands against the elements' own styles.
fn dark_style() -> String {
    let Colours { ground, text, quiet, button, on_button } = DARK;
    format!(
        ":root {{ color-scheme: light dark; supported-color-schemes: light dark; }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         .ground {{ background-color: {ground} !important; color: {text} !important; }}\n\
         .quiet {{ color: {quiet} !important; }}\n\
         .button {{ background-color: {button} !important; color: {on_button} !important; }}\n\
         }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://example.com/reset?lang=ko&token=A.B";

    fn html(locale: &str, address: Option<&str>) -> String {
        let letter = Letter {
            locale: Locale::parse(locale).unwrap(),
            subject: "Subject".to_owned(),
            opening: "Opening".to_owned(),
            link: address.map(|address| Link {
                address,
                action: "Go".to_owned(),
                in_full: "In full:".to_owned(),
            }),
            closing: "Closing".to_owned(),
        };
        letter.html().as_str().to_owned()
    }

    /// Relative luminance and contrast (WCAG 2.2).
    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |colour: &str| {
            let channel = |at: usize| {
                let value = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
                let value = f64::from(value) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_text_is_read_on_light_screens_and_on_dark_ones() {
        assert!((contrast("#ffffff", "#000000") - 21.0).abs() < 0.01);
        for Colours { ground, text, quiet, button, on_button } in [LIGHT, DARK] {
            for (text, on) in [(text, ground), (quiet, ground), (on_button, button)] {
                assert!(contrast(text, on) >= 4.5, "{text} on {on}: {}", contrast(text, on));
            }
            assert!(contrast(button, ground) >= 3.0, "{button} on {ground}");
        }
    }

    #[test]
    fn a_dark_screen_changes_every_colour_that_the_elements_set() {
        let html = html("en", Some(ADDRESS));
        let (style, elements) = html.split_once("</style>").unwrap();
        for (class, light, dark) in [
            ("ground", format!("background-color:{}", LIGHT.ground), DARK.ground),
            ("quiet", format!(";color:{}", LIGHT.quiet), DARK.quiet),
            ("button", format!(";color:{}", LIGHT.on_button), DARK.on_button),
        ] {
            let tags = elements.split('<').filter(|tag| tag.contains(&light));
            let tags: Vec<_> = tags.collect();
            assert!(!tags.is_empty(), "{class}");
            for tag in tags {
                assert!(tag.contains(&format!("class=\"{class}\"")), "{tag}");
            }
            let rule = style.lines().find(|line| line.starts_with(&format!(".{class} {{")));
            assert!(rule.unwrap().contains(&format!("color: {dark} !important")), "{class}");
        }
        let coloured = elements.split('<').filter(|tag| tag.contains("color:"));
        assert!(coloured.clone().count() >= 4);
        assert!(coloured.clone().all(|tag| tag.contains("class=\"")));
    }

    #[test]
    fn a_mail_leads_nowhere_but_to_its_link() {
        let with_link = html("en", Some(ADDRESS));
        let escaped = ADDRESS.replace('&', "&amp;");
        assert!(with_link.contains(&format!("<a class=\"button\" href=\"{escaped}\"")));
        assert!(with_link.contains(&format!(">{escaped}</span>")));
        for html in [with_link.replace(&escaped, ""), html("en", None)] {
            for way_out in ["http", "//", "src=", "url(", "@import", "<link", "<img", "<script"] {
                assert!(!html.contains(way_out), "{way_out}");
            }
        }
    }

    #[test]
    fn an_address_cannot_leave_its_place() {
        let html = html("en", Some("https://example.com/\" onclick=\"x"));
        assert!(html.contains("href=\"https://example.com/&quot; onclick=&quot;x\" style="));
    }

    #[test]
    fn a_mail_says_its_language_and_its_direction() {
        assert!(html("ko", None).contains("<html lang=\"ko\" dir=\"ltr\">"));
        assert!(html("ar", None).contains("<html lang=\"ar\" dir=\"rtl\">"));
        assert!(html("ar", Some(ADDRESS)).contains("<span dir=\"ltr\""));
    }
}
