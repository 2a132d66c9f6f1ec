//! The sample company of a first start: configuration, people, a phone account, a token for scripts, a week of history.
mod company;
mod history;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use domain::config::Entitlements;
use domain::id::{TenantId, UserId};
use domain::localized::Lang;
use domain::time::Timestamp;
use store::{
    Author, BreakReasonConfig, DispositionConfig, HostScope, NewBlob, NewTenant, PromptConfig, Settings, SkillConfig,
    Store, random,
};

use crate::tls::write_secret;
use api::routes::session::LINK_PURPOSE;
use company::{Company, PHONE_USER, PersonRole, TIME_ZONE};

/// The realm of the sample tenant's devices.
const SIP_DOMAIN: &str = "cordboard";
pub const SLUG: &str = "sample";
const TOKEN_FILE: &str = "api-token";
const PHONE_FILE: &str = "sip-account";

/// What the banner shows of the sample company.
pub struct Sample {
    pub tenant: TenantId,
    pub admin: UserId,
    /// User and, if its file is still there, password of the sample phone.
    pub phone: (String, Option<String>),
}

/// The sample tenant of this installation, if it has one.
pub async fn find(store: &Store, data_dir: &Path) -> Result<Option<Sample>> {
    let tenants = store.tenants(HostScope::whole_installation().into()).await?;
    let Some(tenant) = tenants.into_iter().find(|t| t.slug == SLUG) else { return Ok(None) };
    let Some(login) = store.find_login(company::ADMIN_EMAIL).await? else { return Ok(None) };
    let users = store.users_of_login(login.id).await?;
    let Some(admin) = users.iter().find(|u| u.tenant_id == tenant.id && u.active) else { return Ok(None) };
    let password = std::fs::read_to_string(data_dir.join(PHONE_FILE)).ok().map(|p| p.trim().to_owned());
    Ok(Some(Sample { tenant: tenant.id, admin: admin.id, phone: (PHONE_USER.to_owned(), password) }))
}

/// Writes the sample company. Called once, on an installation without tenants, before the engine starts.
pub async fn seed(store: &Store, data_dir: &Path, password: Option<&str>, now: Timestamp) -> Result<Sample> {
    let host_scope = HostScope::whole_installation();
    let host = store.create_host(host_scope, "Cordboard", now).await?;
    let new = NewTenant {
        host: host.id,
        slug: SLUG.to_owned(),
        name: "接线台示例公司 Sample Company".to_owned(),
        entitlements: Entitlements { seats: 2_000, concurrent_calls: 2_000, retention_days: 365 },
        is_default: true,
    };
    let tenant = store.create_tenant(host_scope, new, now).await?.id;
    let company = company::company(|| now.0.unsigned_abs() as u128 & 0xffff_ffff_ffff | random::bits() << 48);
    let prompts = store_prompts(store, tenant, &company, now).await?;

    let passwords = api::auth::password::Passwords::new().map_err(plain)?;
    // Everybody of the sample company has the same password: hashed once. Without one, links are the only way in.
    let hash = match password {
        Some(password) => Some(passwords.hash(password).await.map_err(plain)?),
        None => None,
    };
    let mut logins = Vec::new();
    for person in &company.people {
        let login = store.login_for_email(&person.email, now).await?;
        if let Some(hash) = &hash {
            store.set_password_hash(login.id, hash).await?;
        }
        logins.push(login);
    }

    let mut tx = store.admin(tenant, Author::system(), "sample company", now).await?;
    let settings = Settings {
        tenant,
        name: "接线台示例公司 Sample Company".to_owned(),
        time_zone: TIME_ZONE.to_owned(),
        lang: Lang::Zh,
        sip_domain: SIP_DOMAIN.to_owned(),
        region: Some("CN".to_owned()),
        music: Some(company.music),
        monitoring_shown: false,
        browser_codecs: Vec::new(),
        outbound: Default::default(),
        recording: Default::default(),
        voicemail: Default::default(),
        mask_numbers: false,
    };
    for prompt in prompts {
        tx.put(prompt, None).await?;
    }
    tx.put(settings, None).await?;
    for (id, name) in &company.skills {
        tx.put(SkillConfig { id: *id, name: name.clone() }, None).await?;
    }
    for (id, name) in &company.dispositions {
        tx.put(DispositionConfig { id: *id, name: name.clone() }, None).await?;
    }
    for (id, name) in &company.break_reasons {
        tx.put(BreakReasonConfig { id: *id, name: name.clone() }, None).await?;
    }
    for calendar in &company.calendars {
        tx.put(calendar.clone(), None).await?;
    }
    for team in &company.teams {
        tx.put(team.clone(), None).await?;
    }
    let mut users = Vec::new();
    for (person, login) in company.people.iter().zip(&logins) {
        let user = tx.create_user(login, &person.name, Lang::Zh).await?;
        let (role, scope) = match person.role {
            PersonRole::Admin => ("admin", "tenant"),
            PersonRole::Supervisor => ("supervisor", "tenant"),
            PersonRole::Agent => ("agent", "own"),
        };
        tx.grant(user.id, role, scope, None).await?;
        users.push((person.user, user.id));
    }
    for agent in &company.agents {
        let mut agent = agent.clone();
        // The store made the users' ids; the company was drawn up with ids of its own.
        agent.user = users.iter().find(|(planned, _)| *planned == agent.user).map_or(agent.user, |(_, made)| *made);
        tx.put(agent, None).await?;
    }
    for queue in &company.queues {
        tx.put(queue.clone(), None).await?;
    }
    for flow in &company.flows {
        tx.put(flow.as_ref().clone(), None).await?;
    }
    for number in &company.numbers {
        tx.put(number.clone(), None).await?;
    }
    for device in &company.devices {
        tx.put(device.clone(), None).await?;
    }
    let secret = random::secret();
    let phone_password: String = secret.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    tx.set_device_secret(company.phone, &phone_password).await?;
    let (_, admin) = users.first().copied().context("the sample company has no admin")?;
    let (_, token) = tx.create_token(admin, "sample scripts", None).await?;
    tx.commit().await?;

    write_secret(&data_dir.join(TOKEN_FILE), format!("{token}\n").as_bytes())?;
    write_secret(&data_dir.join(PHONE_FILE), format!("{phone_password}\n").as_bytes())?;
    history::seed(store, tenant, company.admin, now).await.context("the sample history cannot be written")?;
    Ok(Sample { tenant, admin, phone: (PHONE_USER.to_owned(), Some(phone_password)) })
}

async fn store_prompts(
    store: &Store,
    tenant: TenantId,
    company: &Company,
    now: Timestamp,
) -> Result<Vec<PromptConfig>> {
    let mut prompts = Vec::new();
    for prompt in &company.prompts {
        let mut audio = std::collections::BTreeMap::new();
        for (lang, sound) in &prompt.sounds {
            let new = NewBlob {
                tenant,
                kind: "prompt",
                content_type: "audio/wav".to_owned(),
                retain_until: None,
                sample_floor: None,
            };
            audio.insert(*lang, store.blobs().put_bytes(new, sound.to_vec(), now).await?.id);
        }
        prompts.push(PromptConfig {
            id: prompt.id,
            name: prompt.name.clone(),
            audio,
            source: "Cordboard, synthesised with espeak-ng or sox".to_owned(),
            licence: "Apache-2.0".to_owned(),
        });
    }
    Ok(prompts)
}

/// One-time link for the sample admin.
pub async fn link(store: &Store, sample: &Sample, now: Timestamp) -> Result<String> {
    let day = Duration::from_secs(24 * 3600);
    Ok(store.create_link(sample.tenant, sample.admin, LINK_PURPOSE, day, now).await?)
}

/// The API's error as a start-up failure.
pub fn plain(e: api::error::ApiError) -> anyhow::Error {
    anyhow::anyhow!("{}", e.code)
}

/// What the demo caller says.
pub fn demo_speech() -> Vec<(Lang, std::sync::Arc<[i16]>)> {
    let speech: [(Lang, &[u8]); 2] = [
        (Lang::Zh, include_bytes!("../assets/prompts/zh/demo.wav")),
        (Lang::En, include_bytes!("../assets/prompts/en/demo.wav")),
    ];
    // Files of this repository: a test holds that they can be read.
    speech.into_iter().filter_map(|(lang, wav)| Some((lang, media::wav::read(wav).ok()?.samples().into()))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_demo_caller_speaks_both_languages() {
        let speech = super::demo_speech();
        assert_eq!(speech.len(), 2);
        assert!(speech.iter().all(|(_, samples)| samples.len() > 8_000));
    }
}
