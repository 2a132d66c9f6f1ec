// What there is to administer, in the order of the navigation, with the action that lets one see it.
export const sectionGroups = [
  {
    group: 'people',
    sections: [
      { id: 'users', action: 'read_config' },
      { id: 'agents', action: 'read_config' },
      { id: 'teams', action: 'read_config' },
      { id: 'skills', action: 'read_config' },
    ],
  },
  {
    group: 'routing',
    sections: [
      { id: 'queues', action: 'read_config' },
      { id: 'flows', action: 'read_config' },
      { id: 'numbers', action: 'read_config' },
      { id: 'calendars', action: 'read_config' },
      { id: 'prompts', action: 'read_config' },
      { id: 'devices', action: 'read_config' },
    ],
  },
  {
    group: 'words',
    sections: [
      { id: 'dispositions', action: 'read_config' },
      { id: 'break-reasons', action: 'read_config' },
    ],
  },
  {
    group: 'company',
    sections: [
      { id: 'audit', action: 'read_audit' },
      { id: 'revisions', action: 'read_audit' },
      { id: 'tokens', action: 'configure' },
      { id: 'settings', action: 'read_config' },
    ],
  },
] as const;
