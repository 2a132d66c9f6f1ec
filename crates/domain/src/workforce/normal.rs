//! The standard normal distribution's hazard rate, for the square-root formulas.

/// h(x) = φ(x) / (1 − Φ(x)), for any x without overflow of consequence.
pub(super) fn hazard(x: f64) -> f64 {
    if x > 2.5 {
        // Laplace's continued fraction of Mills' ratio (Abramowitz and Stegun 26.2.14), from the inside out.
        return (1..=60).rev().fold(x, |tail, k| x + f64::from(k) / tail);
    }
    let phi = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x < -9.0 {
        return phi; // Φ(x) is 0 beside 1.
    }
    // Φ(x) − ½ = φ(x)·(x + x³/3 + x⁵/(3·5) + …) (26.2.11).
    let (mut term, mut sum, mut k) = (x, 0.0, 1.0);
    while term.abs() > 1e-18 {
        sum += term;
        k += 2.0;
        term *= x * x / k;
    }
    phi / (0.5 - phi * sum)
}

#[cfg(test)]
mod tests {
    use super::hazard;

    #[test]
    fn values_of_the_tables() {
        // φ(x)/(1 − Φ(x)) from tabulated φ and Φ.
        for (x, h) in [(0.0, 0.797_884_560_8), (1.0, 1.525_135_276_2), (-1.0, 0.287_599_970_9), (3.0, 3.283_098_6)] {
            assert!((hazard(x) - h).abs() < 1e-6, "{x}: {}", hazard(x));
        }
        assert!((hazard(2.5 - 1e-12) - hazard(2.5 + 1e-12)).abs() < 1e-10, "the two ways agree where they meet");
        assert!(hazard(-40.0) >= 0.0 && hazard(-40.0) < 1e-300);
        assert!((hazard(1e6) - 1e6).abs() < 1e-3);
    }
}
