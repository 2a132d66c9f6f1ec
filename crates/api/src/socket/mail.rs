//! New messages, told to one connection: those in the mailboxes of which its person is told, added up.
use std::sync::Arc;

use domain::id::TenantId;
use engine::NewMessages;
use tokio::sync::watch;

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::socket::ServerMessage;
use crate::routes::voicemails::is_told;

pub struct Mail {
    counts: watch::Receiver<Arc<NewMessages>>,
    /// As last told: how many, when the newest was left, after which change.
    told: Option<(u64, Option<i64>, u64)>,
}

impl Mail {
    pub async fn open(app: &App, tenant: TenantId) -> Mail {
        Mail { counts: app.engine().watch_mailboxes(tenant).await, told: None }
    }

    /// What is to be told, if anything changed since the last time.
    pub fn news(&mut self, caller: &Caller, known: &Known) -> Option<ServerMessage> {
        let counts = self.counts.borrow_and_update().clone();
        let (mut unheard, mut newest_at) = (0, None);
        for (_, (count, newest)) in counts.mailboxes.iter().filter(|(queue, _)| is_told(caller, known, **queue)) {
            unheard += count;
            newest_at = newest_at.max(Some(newest.0));
        }
        let now = Some((unheard, newest_at, counts.changes));
        let before = std::mem::replace(&mut self.told, now);
        (before != now).then_some(ServerMessage::Voicemail { unheard, newest_at })
    }
}

/// Returns at the next change; never without a subscription.
pub async fn mail_news(mail: &mut Option<Mail>) {
    if let Some(mail) = mail
        && mail.counts.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
