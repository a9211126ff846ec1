//! Puts the parts together: store, node, workers, routes, listener; and takes them apart again.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use segue_core::{BotProfile, NodeId, Timestamp, ports::Bot, ports::Store};
use segue_store::{MemoryStore, SqliteOptions, SqliteStore};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Handle,
    sync::Semaphore,
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    address::{Door, TrustedProxies},
    api_keys::{ApiKeys, ensure_first_key},
    backup::refuse_unfinished,
    bot::{
        http::{HttpBot, HttpBotConfig, HttpBotLimits},
        knowledge::Knowledge,
        knowledge_bot::KnowledgeBot,
        topics::{Folders, Topics},
    },
    broker::LocalBroker,
    config::{self, BotKind, Config, StoreUrl},
    connectors::ConfiguredBot,
    descriptors,
    directory::{Changes, Directory},
    health::Health,
    http::{
        self, App, DemoConnector,
        jwt::{KEY_FILE, SigningKeys},
    },
    hub::Hub,
    ids::Ids,
    jobs::Workers,
    limits::{self, ServerLimits},
    lookout::Lookout,
    metrics::{self, Metrics},
    node::{Node, Sources},
    outgoing,
    overload::OverloadLog,
    private::{self, write_private},
    secrets::SecretsKey,
    serve::{Listener, serve, tls::Certificates},
    traces::{self, Traces},
};

mod offline;

pub use offline::offline;

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    /// Where metrics are asked for, and what answers.
    metrics: Option<(SocketAddr, JoinHandle<()>)>,
    stop: CancellationToken,
    listener: JoinHandle<()>,
    workers: JoinHandle<()>,
    /// Watches the folders of topics.
    topics: JoinHandle<()>,
    sockets: TaskTracker,
    /// Delivers traces, where there are any.
    traces: Option<traces::Delivery>,
    store: Opened,
}

/// The store, as far as its kind matters at the end.
enum Opened {
    Memory,
    Sqlite(Arc<SqliteStore>),
}

/// What a server is started with beside its configuration: mostly nothing.
#[derive(Default)]
pub struct Tweaks {
    /// Listens here instead of on the configured address; somebody else keeps it open.
    pub listener: Option<std::net::TcpListener>,
    /// Called on the store's writer before each commit; holding it holds the commit.
    pub before_commit: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Puts something between the server and its store, such as one that can be away.
    pub around_store: Option<AroundStore>,
}

/// Gives a store to use in place of the one given.
pub type AroundStore = Box<dyn FnOnce(Arc<dyn Store>) -> Arc<dyn Store> + Send>;

impl Server {
    /// Starts a server. It serves when this returns.
    pub async fn start(
        mut config: Config,
        demo: Option<DemoConnector>,
        mut tweaks: Tweaks,
    ) -> anyhow::Result<Self> {
        outgoing::install_crypto();
        let given = tweaks.listener.take();
        let metrics = Arc::<Metrics>::default();
        let (store, opened) = open_store(&config.store, &metrics, tweaks)?;
        let sources = sources();
        let keys = Arc::new(open_keys(&config.store, (sources.now)())?);
        let stop = CancellationToken::new();
        tokio::spawn(rotate(Arc::clone(&keys), Arc::clone(&sources.now), stop.clone()));
        let secrets = Arc::new(SecretsKey::open(&config.secrets_key, config.store.folder())?);
        config.open_sealed(&secrets)?;
        config.bots.iter().for_each(|it| metrics.know_bot(&it.id.0));
        let mut folders = Folders::default();
        let connectors =
            Arc::new(directory(&config, &store, secrets, &sources, &mut folders).await?);
        let topics = tokio::spawn(folders.watch(stop.clone(), Arc::clone(&metrics)));
        let hub = Arc::<Hub>::default();
        let broker = Arc::new(LocalBroker(Arc::clone(&hub)));
        let api_keys = open_api_keys(&store, config.store.folder(), (sources.now)()).await?;
        private::warn_of_readable(&config);
        let node = Node::new(NodeId((sources.new_id)()), store, broker, sources, metrics);
        let (node, traces) = traced(node, config.tracing.as_ref())?;
        let workers =
            Workers::start(Arc::clone(&node), Arc::clone(&hub), Arc::clone(&connectors)).await?;
        let listener = listen(given, config.server.listen)?;
        let address = listener.address()?;
        let certificates = config.tls.map(Certificates::open).transpose()?;
        let health = Arc::new(opened.health(&node, &config.store, &config.server_limits));
        let page = metrics::Page::new(&node, &hub, opened.sqlite(), &health);
        let metrics = serve_metrics(config.metrics, page, &stop)?;
        let sockets = TaskTracker::new();
        let connections_max = descriptors::connections_max(descriptors::raise());
        let proxies = config.server.trusted_proxies;
        let door = Arc::new(Door::new(proxies, config.server_limits, connections_max));
        let app = Arc::new(App {
            node,
            hub,
            connectors,
            keys,
            limits: config.limits,
            settings: config.settings,
            server_limits: config.server_limits,
            demo,
            health,
            stop: stop.clone(),
            sockets: sockets.clone(),
            handshakes: http::HandshakeRates::default(),
            api_keys,
            admin_failures: http::admin::Failures::new(&config.server_limits),
            door,
            overload: OverloadLog::default(),
        });
        let workers = tokio::spawn(work(workers, Lookout::new(&app.node, &app.hub), stop.clone()));
        let listener = listen_apart(listening(listener, certificates, app, stop.clone()));
        info!(%address, "listening on {address}");
        Ok(Self {
            address,
            metrics,
            stop,
            listener,
            workers,
            topics,
            sockets,
            traces,
            store: opened,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers to those who ask for metrics.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(address, _)| *address)
    }

    /// Stops: connecting is refused at once, sockets close within a second, appends finish, running
    /// turns have a while and otherwise go on after the next start (protocol, section 8).
    pub async fn stop(self) {
        self.stop.cancel();
        let is_broken = |it: Result<(), tokio::task::JoinError>| it.is_err();
        if is_broken(self.listener.await) {
            warn!("stopping: the task of the listener had panicked");
        }
        self.sockets.close();
        let patience = Duration::from_secs(limits::STOP_SOCKETS_SECONDS);
        if tokio::time::timeout(patience, self.sockets.wait()).await.is_err() {
            warn!(
                sockets = self.sockets.len(),
                "stopping: {} sockets did not end in time and were left behind",
                self.sockets.len()
            );
        }
        if is_broken(self.workers.await) {
            warn!("stopping: the task of the workers had panicked");
        }
        if let Some((_, metrics)) = self.metrics
            && is_broken(metrics.await)
        {
            warn!("stopping: the task of the listener for metrics had panicked");
        }
        if is_broken(self.topics.await) {
            warn!("stopping: the task that watches topics had panicked");
        }
        if let Some(traces) = self.traces {
            traces.finish().await;
        }
        if let Opened::Sqlite(store) = &self.store {
            store.close().await;
        }
        info!("the server has stopped");
    }
}

impl Opened {
    fn sqlite(&self) -> Option<Arc<SqliteStore>> {
        match self {
            Self::Memory => None,
            Self::Sqlite(store) => Some(Arc::clone(store)),
        }
    }

    fn health(&self, node: &Arc<Node>, url: &StoreUrl, limits: &ServerLimits) -> Health {
        let folder = url.folder().map(Path::to_owned);
        Health::new(Arc::clone(node), self.sqlite(), folder, limits.disk_free_mib_min)
    }
}

/// Has a node say what turns go through, where that is configured.
fn traced(
    mut node: Node,
    config: Option<&config::Tracing>,
) -> anyhow::Result<(Arc<Node>, Option<traces::Delivery>)> {
    let (traces, delivery) = Traces::start(config, node.id, &node.metrics)?;
    node.traces = traces;
    Ok((Arc::new(node), delivery))
}

/// Works and looks until told to stop; each goes on where the other panics.
async fn work(workers: Workers, lookout: Lookout, stop: CancellationToken) {
    let looking = tokio::spawn(lookout.run(stop.clone()));
    let grace = Duration::from_secs(limits::SHUTDOWN_TURNS_SECONDS_MAX);
    Arc::new(workers).run(stop, grace).await;
    if looking.await.is_err() {
        warn!("stopping: the task that looks for lost pushes had panicked");
    }
}

fn serve_metrics(
    listen: Option<SocketAddr>,
    page: metrics::Page,
    stop: &CancellationToken,
) -> anyhow::Result<Option<(SocketAddr, JoinHandle<()>)>> {
    let Some(listen) = listen else { return Ok(None) };
    let listener = self::listen(None, listen)?;
    let address = listener.address()?;
    let own = ServerLimits {
        connections_per_address: limits::METRICS_CONNECTIONS_PER_ADDRESS,
        ..ServerLimits::default()
    };
    let door = Arc::new(Door::new(TrustedProxies::default(), own, Semaphore::MAX_PERMITS));
    let counts = page.metrics();
    let routes = metrics::router(Arc::new(page));
    info!(%address, "answering with metrics on {address}");
    let serving = tokio::spawn(serve(listener, None, routes, door, counts, stop.clone()));
    Ok(Some((address, serving)))
}

/// The process's clock and its ids, which grow with time: the only place that takes them from
/// outside.
pub fn sources() -> Sources {
    let ids = Ids::default();
    let new_id = move || ids.next(unix_ms(), rand::random());
    Sources { now: Arc::new(unix_ms), new_id: Arc::new(new_id) }
}

#[expect(clippy::disallowed_methods, reason = "this is where `Sources` come from")]
fn unix_ms() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Accepts on a thread of its own. When everybody comes at once, a task would have its turn after
/// hundreds of others, and those that wait to be accepted would outgrow the backlog meanwhile.
fn listen_apart(listening: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::task::spawn_blocking(|| Handle::current().block_on(listening))
}

/// Serves until told to stop, and meanwhile looks after the certificate.
async fn listening(
    listener: Listener,
    certificates: Option<Arc<Certificates>>,
    app: Arc<App>,
    stop: CancellationToken,
) {
    let (door, metrics) = (Arc::clone(&app.door), Arc::clone(&app.node.metrics));
    let routes = http::router(app);
    let Some(certificates) = certificates else {
        return serve(listener, None, routes, door, metrics, stop).await;
    };
    let tls = Some(certificates.acceptor());
    tokio::select! {
        () = serve(listener, tls, routes, door, metrics, stop) => {}
        () = certificates.follow() => {}
    }
}

fn listen(given: Option<std::net::TcpListener>, address: SocketAddr) -> anyhow::Result<Listener> {
    if let Some(given) = given {
        given.set_nonblocking(true)?;
        return Ok(Listener::Given(TcpListener::from_std(given)?));
    }
    let listener = bind(address).with_context(|| format!("cannot listen on {address}"))?;
    Ok(Listener::Own(listener))
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Or the connections of the process before this one keep the port for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(limits::LISTEN_BACKLOG)
}

/// Replaces the key that signs access tokens when it has grown old.
async fn rotate(
    keys: Arc<SigningKeys>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    stop: CancellationToken,
) {
    let mut looks = tokio::time::interval(Duration::from_secs(limits::SIGNING_KEY_LOOK_SECONDS));
    while let Some(_tick) = stop.run_until_cancelled(looks.tick()).await {
        keys.rotate_when_old(now(), &rand::random());
    }
}

fn open_store(
    url: &StoreUrl,
    metrics: &Arc<Metrics>,
    tweaks: Tweaks,
) -> anyhow::Result<(Arc<dyn Store>, Opened)> {
    let (store, opened): (Arc<dyn Store>, Opened) = match url {
        StoreUrl::Memory => (Arc::new(MemoryStore::default()), Opened::Memory),
        StoreUrl::Sqlite(path) => {
            url.folder().map_or(Ok(()), refuse_unfinished)?;
            let mut options = SqliteOptions::new(path);
            let metrics = Arc::clone(metrics);
            options.on_group = Arc::new(move |group| metrics.committed(group));
            options.hooks.before_commit = tweaks.before_commit;
            let store = Arc::new(SqliteStore::open(options)?);
            (Arc::clone(&store) as Arc<dyn Store>, Opened::Sqlite(store))
        }
    };
    let store = match tweaks.around_store {
        Some(around) => around(store),
        None => store,
    };
    Ok((store, opened))
}

fn open_keys(url: &StoreUrl, now: Timestamp) -> anyhow::Result<SigningKeys> {
    let random = rand::random();
    match url.folder() {
        None => Ok(SigningKeys::ephemeral(now, &random)),
        Some(folder) => Ok(SigningKeys::open(folder.join(KEY_FILE), now, &random)?),
    }
}

async fn open_api_keys(
    store: &Arc<dyn Store>,
    folder: Option<&Path>,
    now: Timestamp,
) -> anyhow::Result<ApiKeys> {
    let keys = ApiKeys::new(Arc::clone(store));
    if let Some(folder) = folder {
        ensure_first_key(&keys, folder, now, &rand::random()).await?;
    }
    Ok(keys)
}

async fn directory(
    config: &Config,
    store: &Arc<dyn Store>,
    key: Arc<SecretsKey>,
    sources: &Sources,
    folders: &mut Folders,
) -> anyhow::Result<Directory> {
    // One for all bots: connections are shared, and certificates read once.
    let client = outgoing::client(&outgoing::OutgoingLimits::default())?;
    let mut bots = BTreeMap::new();
    for bot in &config.bots {
        let configured = ConfiguredBot {
            id: bot.id.clone(),
            limits: bot.limits,
            profile: BotProfile {
                name: bot.name.clone(),
                avatar_url: bot.avatar_url.clone().unwrap_or_default(),
            },
            greeting: bot.greeting.clone(),
            bot: open_bot(bot, &client, sources, folders)?,
        };
        bots.insert(bot.id.clone(), Arc::new(configured));
    }
    let mut configured = Vec::new();
    for connector in &config.connectors {
        let bot = bots.get(&connector.settings.bot);
        let bot = bot.with_context(|| format!("connector {} has no bot", connector.id))?;
        configured.push((connector.clone(), Arc::clone(bot)));
    }
    let changes = Changes {
        store: Arc::clone(store),
        key,
        now: Arc::clone(&sources.now),
        bots,
        limits: config.limits,
        changing: tokio::sync::Mutex::default(),
        has_revoked: tokio::sync::Notify::default(),
    };
    Ok(Directory::open(configured, changes).await?)
}

fn open_bot(
    bot: &config::Bot,
    client: &reqwest::Client,
    sources: &Sources,
    folders: &mut Folders,
) -> anyhow::Result<Arc<dyn Bot>> {
    Ok(match &bot.kind {
        BotKind::Knowledge { topics } => {
            let topics = match topics {
                Some(folder) => folders.open(folder)?,
                None => Arc::new(Topics::new(Knowledge::demo())),
            };
            Arc::new(KnowledgeBot(topics))
        }
        BotKind::Http { url, secret } => {
            let config = HttpBotConfig {
                url: url.clone(),
                secret: secret.expose().to_owned(),
                limits: HttpBotLimits::default(),
            };
            Arc::new(HttpBot::new(config, client.clone(), Arc::clone(&sources.now)))
        }
    })
}

/// Name of the file in the data folder that keeps the token of the demo connector.
pub const DEMO_TOKEN_FILE: &str = "demo-token";

/// The token of the demo connector: kept in the data folder, so that pages stay valid over a
/// restart; readable by nobody else.
pub fn demo_token(folder: Option<&Path>) -> anyhow::Result<config::Secret> {
    let fresh = || format!("{:032x}", rand::random::<u128>());
    let Some(folder) = folder else { return Ok(config::Secret::new(fresh())) };
    let path: PathBuf = folder.join(DEMO_TOKEN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(token) if !token.trim().is_empty() => Ok(config::Secret::new(token.trim())),
        Ok(_) => anyhow::bail!("{} is empty: remove it", path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let token = fresh();
            write_private(&path, &token)
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(config::Secret::new(token))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
