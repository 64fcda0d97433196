/// One instrument of the platform.
#[derive(Debug)]
pub(crate) struct Symbol {
    /// Its ticker. None of them is listed anywhere.
    pub(crate) name: &'static str,
    /// Price at which its first day opens, ticks.
    pub(crate) price: i64,
    /// Standard deviation of one quote's move at activity 1, in millionths of the price.
    pub(crate) volatility: f64,
    /// Usual distance between bid and ask, ticks.
    pub(crate) spread: i64,
    /// Shares that one price level usually offers.
    pub(crate) depth: i64,
}

/// Everything that is traded.
pub(crate) static SYMBOLS: [Symbol; 8] = [
    Symbol { name: "BRIG", price: 4_215, volatility: 180.0, spread: 2, depth: 400 },
    Symbol { name: "DOCK", price: 18_640, volatility: 110.0, spread: 4, depth: 300 },
    Symbol { name: "FLUKE", price: 2_380, volatility: 320.0, spread: 2, depth: 500 },
    Symbol { name: "HELM", price: 9_905, volatility: 90.0, spread: 2, depth: 600 },
    Symbol { name: "KEEL", price: 31_270, volatility: 140.0, spread: 8, depth: 200 },
    Symbol { name: "MAST", price: 12_055, volatility: 160.0, spread: 3, depth: 350 },
    Symbol { name: "REEF", price: 6_730, volatility: 240.0, spread: 3, depth: 300 },
    Symbol { name: "TIDE", price: 7_990, volatility: 70.0, spread: 1, depth: 800 },
];

/// The instrument of that ticker.
pub(crate) fn find(name: &str) -> Option<&'static Symbol> {
    SYMBOLS.iter().find(|symbol| symbol.name == name)
}
