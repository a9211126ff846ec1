//! x
pub struct Options {
    pub url: String,
    pub json: bool,
    pub token: Option<String>,
    pub host: Option<String>,
    pub whole: bool,
}
pub async fn run(_o: Options) -> anyhow::Result<()> {
    Ok(())
}
