//! Charts as SVG: lines over two axes, with ranges, marks and a legend.

use std::fmt::Write;

/// A chart.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// What stands above it.
    pub title: String,
    /// The axis at the bottom.
    pub x: Axis,
    /// The axis at the left; it begins at 0 unless it is logarithmic.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
    /// Places on the x axis to point at.
    pub marks: Vec<f64>,
    /// What the marks are, for the legend.
    pub marks_are: String,
}

/// An axis.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    /// What it measures, with its unit.
    pub label: String,
    /// Whether equal steps are equal ratios; values must be above 0.
    pub logarithmic: bool,
}

/// A line.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// For the legend.
    pub name: String,
    /// In order of x.
    pub points: Vec<Point>,
    /// How it is drawn.
    pub style: Style,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// What was measured: a line with points.
    #[default]
    Measured,
    /// What a theory says: a dashed line without points.
    Expected,
    /// Single things: points without a line.
    Points,
}

/// A point of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where it is.
    pub x: f64,
    /// Its value.
    pub y: f64,
    /// The smallest and the largest value that were seen there.
    pub range: Option<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 80.0;
/// A line of more points is drawn without them.
const MOST_DOTS: usize = 40;
/// Told apart by eyes that see few colours, too (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

impl Chart {
    /// The chart as a document of its own.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x_values = points().map(|point| point.x).chain(self.marks.iter().copied());
        let ends = |point: &Point| {
            let (low, high) = point.range.unwrap_or((point.y, point.y));
            [low, high, point.y]
        };
        let x = Scale::new(&self.x, x_values, false, LEFT, WIDTH - RIGHT);
        let y = Scale::new(&self.y, points().flat_map(ends), true, HEIGHT - BOTTOM, TOP);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        text(&mut out, WIDTH / 2.0, 22.0, "middle", &self.title, "font-size=\"15\"");
        self.axes(&mut out, &x, &y);
        for mark in &self.marks {
            let at = x.place(*mark);
            let attributes = "stroke=\"#999999\" stroke-dasharray=\"2 3\"";
            line(&mut out, (at, TOP), (at, HEIGHT - BOTTOM), attributes);
        }
        for (number, series) in self.series.iter().enumerate() {
            draw(&mut out, series, COLOURS[number % COLOURS.len()], &x, &y);
        }
        self.legend(&mut out);
        out.push_str("</svg>\n");
        out
    }

    fn axes(&self, out: &mut String, x: &Scale, y: &Scale) {
        let bottom = HEIGHT - BOTTOM;
        for tick in x.ticks() {
            let at = x.place(tick);
            line(out, (at, TOP), (at, bottom), "stroke=\"#eeeeee\"");
            text(out, at, bottom + 16.0, "middle", &number(tick), "");
        }
        for tick in y.ticks() {
            let at = y.place(tick);
            line(out, (LEFT, at), (WIDTH - RIGHT, at), "stroke=\"#eeeeee\"");
            text(out, LEFT - 6.0, at + 4.0, "end", &number(tick), "");
        }
        line(out, (LEFT, bottom), (WIDTH - RIGHT, bottom), "stroke=\"black\"");
        line(out, (LEFT, TOP), (LEFT, bottom), "stroke=\"black\"");
        text(out, (LEFT + WIDTH - RIGHT) / 2.0, bottom + 34.0, "middle", &self.x.label, "");
        let middle = (TOP + bottom) / 2.0;
        let turned = format!("transform=\"rotate(-90 16 {middle})\"");
        text(out, 16.0, middle, "middle", &self.y.label, &turned);
    }

    fn legend(&self, out: &mut String) {
        let mut at = LEFT;
        let height = HEIGHT - 18.0;
        for (number, series) in self.series.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            if series.style == Style::Points {
                dot(out, at + 10.0, height - 4.0, colour);
            } else {
                let attributes = stroke(series.style, colour);
                line(out, (at, height - 4.0), (at + 20.0, height - 4.0), &attributes);
            }
            text(out, at + 25.0, height, "start", &series.name, "");
            at += 45.0 + 6.5 * series.name.chars().count() as f64;
        }
        if !self.marks.is_empty() && !self.marks_are.is_empty() {
            let attributes = "stroke=\"#999999\" stroke-dasharray=\"2 3\"";
            line(out, (at + 10.0, height - 12.0), (at + 10.0, height + 3.0), attributes);
            text(out, at + 25.0, height, "start", &self.marks_are, "");
        }
    }
}

fn draw(out: &mut String, series: &Series, colour: &str, x: &Scale, y: &Scale) {
    let mut path = String::new();
    for (number, point) in series.points.iter().enumerate() {
        let step = if number == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{step}{:.1} {:.1} ", x.place(point.x), y.place(point.y));
    }
    if series.style != Style::Points {
        let attributes = stroke(series.style, colour);
        let _ = writeln!(out, "<path d=\"{}\" fill=\"none\" {attributes}/>", path.trim_end());
    }
    if series.style == Style::Expected
        || (series.style == Style::Measured && series.points.len() > MOST_DOTS)
    {
        return;
    }
    for point in &series.points {
        let at = x.place(point.x);
        dot(out, at, y.place(point.y), colour);
        if let Some((low, high)) = point.range {
            let attributes = format!("stroke=\"{colour}\" stroke-opacity=\"0.6\"");
            line(out, (at, y.place(low)), (at, y.place(high)), &attributes);
        }
    }
}

fn stroke(style: Style, colour: &str) -> String {
    let dashes = if style == Style::Expected { " stroke-dasharray=\"6 4\"" } else { "" };
    format!("stroke=\"{colour}\" stroke-width=\"2\"{dashes}")
}

fn dot(out: &mut String, x: f64, y: f64, colour: &str) {
    let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), attributes: &str) {
    let _ = writeln!(
        out,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" {attributes}/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, text: &str, attributes: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {attributes}>{text}</text>"
    );
}

/// From values to places.
struct Scale {
    logarithmic: bool,
    low: f64,
    high: f64,
    step: f64,
    begin: f64,
    end: f64,
}

impl Scale {
    /// For these values; `zero`: a linear scale that begins at 0.
    fn new(
        axis: &Axis,
        values: impl Iterator<Item = f64>,
        zero: bool,
        begin: f64,
        end: f64,
    ) -> Scale {
        let usable = |value: &f64| value.is_finite() && (!axis.logarithmic || *value > 0.0);
        let (mut low, mut high) = values
            .filter(usable)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        if axis.logarithmic {
            low = 10f64.powf(low.log10().floor());
            high = 10f64.powf(high.log10().ceil());
            if low == high {
                high *= 10.0;
            }
            return Scale { logarithmic: true, low, high, step: 0.0, begin, end };
        }
        if zero {
            low = low.min(0.0);
        }
        if high <= low {
            high = low + 1.0;
        }
        let rough = (high - low) / 6.0;
        let magnitude = 10f64.powf(rough.log10().floor());
        let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * magnitude >= rough);
        let step = factor.unwrap_or(10.0) * magnitude;
        if zero {
            high = (high / step).ceil() * step;
        }
        Scale { logarithmic: false, low, high, step, begin, end }
    }

    fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.begin + (self.end - self.begin) * share
    }

    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let decades = (self.high / self.low).log10().round() as i32;
            return (0..=decades).map(|decade| self.low * 10f64.powi(decade)).collect();
        }
        let first = (self.low / self.step).ceil() as i64;
        let last = (self.high / self.step + 1e-9).floor() as i64;
        (first..=last).map(|tick| tick as f64 * self.step).collect()
    }
}

/// A number beside an axis: without digits that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64) -> Point {
        Point { x, y, range: None }
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let axis = Axis::default();
        let scale = Scale::new(&axis, [3.0, 47.0].into_iter(), true, 0.0, 100.0);
        assert_eq!(scale.ticks(), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!((scale.place(0.0), scale.place(50.0)), (0.0, 100.0));
        let axis = Axis { logarithmic: true, ..Axis::default() };
        let scale = Scale::new(&axis, [0.0, 12.0, 1500.0].into_iter(), true, 0.0, 300.0);
        assert_eq!(scale.ticks(), [10.0, 100.0, 1000.0, 10000.0]);
        assert_eq!(scale.place(100.0), 100.0);
        assert_eq!(scale.place(0.0), 0.0);
    }

    #[test]
    fn numbers_say_no_more_than_they_know() {
        for (value, text) in [(0.0, "0"), (-0.0, "0"), (2.5, "2.5"), (100.0, "100"), (0.1, "0.1")] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_chart_of_nothing_and_one_of_something_are_documents() {
        let empty = Chart::default().svg();
        let name = "a & b <c>".to_owned();
        let points = vec![point(1.0, 2.0), Point { range: Some((1.0, 4.0)), ..point(2.0, 3.0) }];
        let series = vec![Series { name, points, style: Style::Measured }];
        let chart = Chart { series, marks: vec![1.5], ..Chart::default() }.svg();
        for svg in [&empty, &chart] {
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        assert!(chart.contains("a &amp; b &lt;c&gt;"));
        assert_eq!(chart.matches("<circle").count(), 2);
    }
}
