//! Every metric of jackline.

use crate::view::Reading;

/// The content type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `reading` as OpenMetrics text.
pub fn render(_reading: &Reading) -> Result<String, std::fmt::Error> {
    Ok(String::new())
}
