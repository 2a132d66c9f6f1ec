//! A line chart as SVG text: enough for two curves in the documents. Light panel of its own, so that it reads on a dark
//! page too.
use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 52.0;
const COLOURS: [&str; 3] = ["#0b62b8", "#b3541e", "#2d7d46"];

pub struct Chart {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub x_is_logarithmic: bool,
    pub series: Vec<Series>,
}

pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// A dot and its value at each point.
    pub marks: bool,
}

impl Chart {
    /// The vertical axis begins at zero: a curve that rises by a tenth must look so.
    pub fn to_svg(&self) -> String {
        let points = || self.series.iter().flat_map(|s| &s.points);
        let y_step = nice_step(points().map(|p| p.1).fold(0.0, f64::max));
        let y_max = (points().map(|p| p.1).fold(0.0, f64::max) / y_step).ceil().max(1.0) * y_step;
        let scale = |x: f64| if self.x_is_logarithmic { x.max(1e-9).log10() } else { x };
        let x_min = points().map(|p| scale(p.0)).fold(f64::INFINITY, f64::min);
        let x_max = points().map(|p| scale(p.0)).fold(f64::NEG_INFINITY, f64::max);
        let x_span = if x_max > x_min { x_max - x_min } else { 1.0 };
        let x_at = |x: f64| LEFT + (scale(x) - x_min) / x_span * (WIDTH - LEFT - RIGHT);
        let y_at = |y: f64| HEIGHT - BOTTOM - y / y_max * (HEIGHT - TOP - BOTTOM);

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" role=\"img\" \
             aria-label=\"{title}\">\n<rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"#ffffff\" \
             stroke=\"#c9ced6\"/>\n<text x=\"{LEFT}\" y=\"26\" font-size=\"15\" font-weight=\"600\" \
             fill=\"#1c2430\">{title}</text>\n",
            WIDTH - 1.0,
            HEIGHT - 1.0,
            title = escape(&self.title),
        );
        let mut y = 0.0;
        while y <= y_max + y_step / 2.0 {
            let at = y_at(y);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#e4e7ec\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#4a5565\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                at + 4.0,
                number(y),
            );
            y += y_step;
        }
        for x in self.x_ticks() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#4a5565\">{}</text>",
                x_at(x),
                HEIGHT - BOTTOM + 18.0,
                number(x),
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#4a5565\">{}</text>\
             <text x=\"{LEFT}\" y=\"46\" fill=\"#4a5565\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 12.0,
            escape(&self.x_label),
            escape(&self.y_label),
        );
        for (n, series) in self.series.iter().enumerate() {
            let colour = COLOURS[n % COLOURS.len()];
            let line: Vec<String> =
                series.points.iter().map(|(x, y)| format!("{:.1},{:.1}", x_at(*x), y_at(*y))).collect();
            let dashes = if n == 0 { "" } else { " stroke-dasharray=\"6 4\"" };
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
                line.join(" ")
            );
            if series.marks {
                for (x, y) in &series.points {
                    let _ = writeln!(
                        svg,
                        "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                         text-anchor=\"middle\" fill=\"{colour}\">{}</text>",
                        x_at(*x),
                        y_at(*y),
                        x_at(*x).clamp(LEFT + 16.0, WIDTH - RIGHT - 16.0),
                        y_at(*y) - 10.0,
                        number(*y),
                    );
                }
            } else {
                let _ = writeln!(
                    svg,
                    "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
                    WIDTH - RIGHT,
                    26.0 + 18.0 * n as f64,
                    escape(&series.name),
                );
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The measured places of a logarithmic axis; round ones of a plain one.
    fn x_ticks(&self) -> Vec<f64> {
        let Some(first) = self.series.first() else { return Vec::new() };
        if self.x_is_logarithmic {
            return first.points.iter().map(|p| p.0).collect();
        }
        let most = first.points.iter().map(|p| p.0).fold(0.0, f64::max);
        let step = nice_step(most);
        (0..).map(|n| f64::from(n) * step).take_while(|x| *x <= most).collect()
    }
}

/// 1, 2 or 5 times a power of ten, so that about five fit.
fn nice_step(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let raw = most / 5.0;
    let power = 10f64.powf(raw.log10().floor());
    let lead = [1.0, 2.0, 5.0, 10.0].into_iter().find(|l| l * power >= raw).unwrap_or(10.0);
    lead * power
}

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_begins_at_zero_and_the_highest_point_fits() {
        let points = vec![(10.0, 0.5), (1000.0, 0.9)];
        let chart = Chart {
            title: "a < b".into(),
            x_label: "x".into(),
            y_label: "y".into(),
            x_is_logarithmic: true,
            series: vec![Series { name: "s".into(), points, marks: true }],
        };
        let svg = chart.to_svg();
        assert!(svg.contains("a &lt; b") && svg.contains(">0</text>") && svg.contains(">1000</text>"), "{svg}");
        // 0.9 of an axis up to 1.0, within the frame.
        assert!(svg.contains("696.0,") && svg.contains(">0.9</text>"), "{svg}");
    }

    #[test]
    fn steps_are_round() {
        assert_eq!((nice_step(0.9), nice_step(7.0), nice_step(480.0), nice_step(0.0)), (0.2, 2.0, 100.0, 1.0));
    }
}
