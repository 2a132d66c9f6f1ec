//! Who may do what: roles are data over a fixed list of actions, grants give a role within a scope, and [`may`] is
//! the only check. `api` asks it before every operation; nothing else decides about permissions.
use serde::{Deserialize, Serialize};

use crate::id::{GrantId, QueueId, TeamId, TenantId, UserId};

macro_rules! actions {
    ($($name:ident = $code:literal,)*) => {
        /// Everything that can be allowed. The code is stored in roles and shown in audit rows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Action { $(#[serde(rename = $code)] $name,)* }

        impl Action {
            pub const ALL: &'static [Action] = &[$(Action::$name,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Action::$name => $code,)* }
            }
        }
    };
}

actions! {
    DeskUse = "desk.use",
    LiveView = "live.view",
    AgentControl = "agent.control",
    InteractionView = "interaction.view",
    InteractionEnd = "interaction.end",
    CallMonitor = "call.monitor",
    CallIntervene = "call.intervene",
    RecordingListen = "recording.listen",
    RecordingDelete = "recording.delete",
    RecordingHold = "recording.hold",
    VoicemailUse = "voicemail.use",
    VoicemailDelete = "voicemail.delete",
    ContactReveal = "contact.reveal",
    ReportView = "report.view",
    UserView = "user.view",
    UserManage = "user.manage",
    TeamManage = "team.manage",
    SkillManage = "skill.manage",
    QueueManage = "queue.manage",
    CalendarManage = "calendar.manage",
    FlowManage = "flow.manage",
    NumberManage = "number.manage",
    DeviceManage = "device.manage",
    PromptManage = "prompt.manage",
    ConfigView = "config.view",
    AuditView = "audit.view",
    TokenManage = "token.manage",
    KeyManage = "key.manage",
    SampleRemove = "sample.remove",
    HostManage = "host.manage",
}

/// A named list of actions. The built-in ones are code; a tenant's own are rows of the same shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub actions: Vec<Action>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuiltIn {
    Agent,
    Supervisor,
    Admin,
    Host,
}

const AGENT: &[Action] =
    &[Action::DeskUse, Action::InteractionView, Action::RecordingListen, Action::VoicemailUse, Action::ReportView];

const SUPERVISOR: &[Action] = &[
    Action::DeskUse,
    Action::LiveView,
    Action::AgentControl,
    Action::InteractionView,
    Action::InteractionEnd,
    Action::CallMonitor,
    Action::CallIntervene,
    Action::RecordingListen,
    Action::VoicemailUse,
    Action::VoicemailDelete,
    Action::ContactReveal,
    Action::ReportView,
    Action::UserView,
    Action::ConfigView,
];

impl BuiltIn {
    pub const ALL: &'static [BuiltIn] = &[BuiltIn::Agent, BuiltIn::Supervisor, BuiltIn::Admin, BuiltIn::Host];

    pub fn as_str(self) -> &'static str {
        match self {
            BuiltIn::Agent => "agent",
            BuiltIn::Supervisor => "supervisor",
            BuiltIn::Admin => "admin",
            BuiltIn::Host => "host",
        }
    }

    pub fn role(self) -> Role {
        let actions = match self {
            BuiltIn::Agent => AGENT.to_vec(),
            BuiltIn::Supervisor => SUPERVISOR.to_vec(),
            // A tenant's own affairs; running the installation is the host's.
            BuiltIn::Admin => Action::ALL.iter().copied().filter(|a| *a != Action::HostManage).collect(),
            // A host runs machines and sets entitlements; a company's calls are not his to hear.
            BuiltIn::Host => vec![Action::HostManage, Action::ConfigView, Action::AuditView],
        };
        Role { name: self.as_str().to_owned(), actions }
    }
}

/// How far a grant reaches. JSON: `{"scope":"team","team":"tea_…"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum Scope {
    /// What the user himself handled or is.
    Own {
        tenant: TenantId,
        user: UserId,
    },
    Team {
        tenant: TenantId,
        team: TeamId,
    },
    Queue {
        tenant: TenantId,
        queue: QueueId,
    },
    Tenant {
        tenant: TenantId,
    },
    /// Every tenant, in so far as the role allows.
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    pub role: Role,
    pub scope: Scope,
}

/// What an action is about. Lists are asked with what is known of their filter: a list of a whole tenant names only
/// the tenant, so that narrower grants must filter first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resource {
    /// None: the installation itself.
    pub tenant: Option<TenantId>,
    /// Who handled it or whom it is about.
    pub users: Vec<UserId>,
    /// Teams of those users.
    pub teams: Vec<TeamId>,
    pub queues: Vec<QueueId>,
}

impl Resource {
    pub fn tenant(tenant: TenantId) -> Resource {
        Resource { tenant: Some(tenant), ..Resource::default() }
    }

    pub fn host() -> Resource {
        Resource::default()
    }
}

/// Does any grant allow it? Nothing is allowed that no grant names (R6: nothing crosses tenants).
pub fn may(grants: &[Grant], action: Action, resource: &Resource) -> bool {
    grants.iter().any(|g| g.role.actions.contains(&action) && reaches(&g.scope, resource))
}

fn reaches(scope: &Scope, resource: &Resource) -> bool {
    match scope {
        Scope::Host => true,
        Scope::Tenant { tenant } => resource.tenant == Some(*tenant),
        Scope::Team { tenant, team } => resource.tenant == Some(*tenant) && resource.teams.contains(team),
        Scope::Queue { tenant, queue } => resource.tenant == Some(*tenant) && resource.queues.contains(queue),
        Scope::Own { tenant, user } => resource.tenant == Some(*tenant) && resource.users.contains(user),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    fn grant(role: BuiltIn, scope: Scope) -> Vec<Grant> {
        vec![Grant { id: GrantId(1), role: role.role(), scope }]
    }

    #[test]
    fn a_grant_reaches_its_scope_and_no_further() {
        let (me, other, team, queue) = (UserId(1), UserId(2), TeamId(1), QueueId(1));
        let call = |tenant, user, team, queue| Resource {
            tenant: Some(tenant),
            users: vec![user],
            teams: vec![team],
            queues: vec![queue],
        };
        let mine = call(A, me, team, queue);
        let theirs = call(A, other, TeamId(2), QueueId(2));
        let cases = [
            (Scope::Own { tenant: A, user: me }, true, false),
            (Scope::Team { tenant: A, team }, true, false),
            (Scope::Queue { tenant: A, queue }, true, false),
            (Scope::Tenant { tenant: A }, true, true),
            (Scope::Tenant { tenant: B }, false, false),
            (Scope::Own { tenant: B, user: me }, false, false),
            (Scope::Team { tenant: B, team }, false, false),
        ];
        for (scope, on_mine, on_theirs) in cases {
            let grants = grant(BuiltIn::Supervisor, scope);
            assert_eq!(may(&grants, Action::RecordingListen, &mine), on_mine, "{scope:?}");
            assert_eq!(may(&grants, Action::RecordingListen, &theirs), on_theirs, "{scope:?}");
        }
    }

    #[test]
    fn roles_allow_what_they_list() {
        let tenant = Scope::Tenant { tenant: A };
        let here = Resource::tenant(A);
        assert!(!may(&grant(BuiltIn::Agent, tenant), Action::QueueManage, &here));
        assert!(!may(&grant(BuiltIn::Supervisor, tenant), Action::QueueManage, &here));
        assert!(may(&grant(BuiltIn::Admin, tenant), Action::QueueManage, &here));
        assert!(!may(&grant(BuiltIn::Admin, tenant), Action::HostManage, &Resource::host()));
        assert!(may(&grant(BuiltIn::Host, Scope::Host), Action::HostManage, &Resource::host()));
        assert!(!may(&grant(BuiltIn::Host, Scope::Host), Action::RecordingListen, &here));
        assert!(!may(&[], Action::DeskUse, &here));
    }
}
