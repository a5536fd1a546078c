//! Lines over time, and bars side by side, as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::{
    BLACK, ChartBuilder, IntoDrawingArea, LineSeries, Palette, Palette99, PathElement, Rectangle,
    SVGBackend, Text, WHITE,
};
use plotters::style::Color as _;

/// One figure over time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Line {
    /// What the legend says.
    pub name: String,
    /// Seconds and values.
    pub points: Vec<(f64, f64)>,
}

impl Line {
    /// A line of this name through these points.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points }
    }
}

/// Lines that share their axes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Panel {
    /// What stands above: what is shown, and its unit.
    pub title: String,
    /// The lines.
    pub lines: Vec<Line>,
}

impl Panel {
    /// Lines under a title.
    pub fn new(title: impl Into<String>, lines: Vec<Line>) -> Self {
        Self { title: title.into(), lines }
    }

    fn most(&self, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
        self.lines.iter().flat_map(|line| &line.points).map(of).fold(0.0, f64::max)
    }
}

const WIDTH: u32 = 900;
const HEIGHT_OF_A_PANEL: u32 = 240;

/// Draws panels one below the other, over the same seconds.
///
/// # Errors
/// The file cannot be written.
pub fn draw(path: &Path, panels: &[Panel]) -> Result<()> {
    let size = (WIDTH, HEIGHT_OF_A_PANEL * u32::try_from(panels.len())?);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    let seconds = panels.iter().map(|panel| panel.most(|point| point.0)).fold(0.0, f64::max);
    for (area, panel) in root.split_evenly((panels.len(), 1)).iter().zip(panels) {
        let most = panel.most(|point| point.1);
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, ("sans-serif", 16))
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..seconds.max(1.0), 0.0..(most * 1.1).max(1.0))?;
        chart.configure_mesh().light_line_style(WHITE).draw()?;
        for (number, line) in panel.lines.iter().enumerate() {
            let color = Palette99::pick(number).to_rgba();
            let points = line.points.iter().copied();
            let series = chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
            series
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
        }
        let mut legend = chart.configure_series_labels();
        legend.background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    }
    root.present().map_err(|error| anyhow!("{}: {error}", path.display()))
}

const HEIGHT_OF_A_BAR: u32 = 22;
const WIDTH_OF_NAMES: f64 = 0.35;

/// Draws one bar for each name, the longest as wide as the drawing lets it.
///
/// # Errors
/// The file cannot be written.
pub fn draw_bars(path: &Path, title: &str, bars: &[(String, f64)]) -> Result<()> {
    let rows = u32::try_from(bars.len())?;
    let root = SVGBackend::new(path, (WIDTH, HEIGHT_OF_A_BAR * (rows + 2))).into_drawing_area();
    root.fill(&WHITE).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    root.draw(&Text::new(title.to_owned(), (8, 6), ("sans-serif", 16)))?;
    let names = f64::from(WIDTH) * WIDTH_OF_NAMES;
    // The rest, but for the figure behind the longest.
    let widest = f64::from(WIDTH) - names - 90.0;
    let most = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    for (row, (name, value)) in (1..).zip(bars) {
        let top = (row * HEIGHT_OF_A_BAR + 8).cast_signed();
        let (left, right) = (names as i32, (names + widest * value / most) as i32);
        let color = Palette99::pick(usize::from(row > 2)).filled();
        root.draw(&Text::new(name.clone(), (8, top), ("sans-serif", 13)))?;
        root.draw(&Rectangle::new([(left, top), (right, top + 15)], color))?;
        root.draw(&Text::new(format!("{value:.1}"), (right + 6, top), ("sans-serif", 13)))?;
    }
    root.present().map_err(|error| anyhow!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_svg_with_its_titles_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rates.svg");
        let line = |name: &str| Line::new(name, vec![(0.0, 1.0), (1.0, 140.0)]);
        draw(&path, &[Panel::new("answers a second", vec![line("logins"), line("refusals")])])
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        for said in ["answers a second", "logins", "refusals", "<polyline"] {
            assert!(text.contains(said), "{said}");
        }
    }

    #[test]
    fn a_bar_is_as_long_as_its_figure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bars.svg");
        draw_bars(&path, "logins", &[("ours".to_owned(), 70.0), ("theirs".to_owned(), 35.0)])
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let widths: Vec<f64> = text
            .lines()
            .filter(|line| line.starts_with("<rect") && line.contains(r#"height="15""#))
            .map(|line| {
                line.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(widths.len(), 2, "{text}");
        assert!((widths[0] / widths[1] - 2.0).abs() < 0.02, "{widths:?}");
        assert!(text.contains("theirs") && text.contains("35.0"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(draw(Path::new("/nowhere/rates.svg"), &[Panel::new("t", Vec::new())]).is_err());
    }
}
