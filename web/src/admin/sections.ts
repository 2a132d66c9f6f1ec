// What there is to administer, in the order of the navigation, with the action that lets one see it.
export const sectionGroups = [
  {
    group: 'people',
    sections: [
      { id: 'users', action: 'user.view' },
      { id: 'agents', action: 'config.view' },
      { id: 'teams', action: 'config.view' },
      { id: 'skills', action: 'config.view' },
    ],
  },
  {
    group: 'routing',
    sections: [
      { id: 'queues', action: 'config.view' },
      { id: 'flows', action: 'config.view' },
      { id: 'numbers', action: 'config.view' },
      { id: 'trunks', action: 'config.view' },
      { id: 'routes', action: 'config.view' },
      { id: 'calendars', action: 'config.view' },
      { id: 'prompts', action: 'config.view' },
      { id: 'devices', action: 'config.view' },
    ],
  },
  {
    group: 'words',
    sections: [
      { id: 'dispositions', action: 'config.view' },
      { id: 'break-reasons', action: 'config.view' },
    ],
  },
  {
    group: 'company',
    sections: [
      { id: 'audit', action: 'audit.view' },
      { id: 'revisions', action: 'config.view' },
      { id: 'tokens', action: 'token.manage' },
      { id: 'settings', action: 'config.view' },
    ],
  },
] as const;

/** The action that lets one change things of a kind. */
export const manage = {
  users: 'user.manage',
  agents: 'user.manage',
  teams: 'team.manage',
  skills: 'skill.manage',
  queues: 'queue.manage',
  flows: 'flow.manage',
  numbers: 'number.manage',
  trunks: 'number.manage',
  routes: 'number.manage',
  calendars: 'calendar.manage',
  prompts: 'prompt.manage',
  devices: 'device.manage',
  dispositions: 'queue.manage',
  'break-reasons': 'queue.manage',
} as const;
