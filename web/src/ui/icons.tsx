// Line icons, 20 px, drawn for Cordboard. Decorative: the word or the label beside them carries the meaning.
const paths = {
  phone: 'M6 3h2.5l1.5 4-2 1.2a9 9 0 0 0 3.8 3.8L13 10l4 1.5V14a3 3 0 0 1-3 3A11 11 0 0 1 3 6a3 3 0 0 1 3-3z',
  callout: 'M6 4h2l1.300 3.400-1.700 1a8 8 0 0 0 3.200 3.200l1-1.700L15.200 11.200V13.300a2.600 2.600 0 0 1-2.600 2.600A9.400 9.400 0 0 1 3.400 6.600 2.600 2.600 0 0 1 6 4zM13 3h4v4M17 3l-4.500 4.500',
  up: 'M6 12l4-4 4 4',
  hangup: 'M2.5 11.5c4-4 11-4 15 0l-1.8 2.3-3.2-1.3V10a10 10 0 0 0-5 0v2.5l-3.2 1.3z',
  mic: 'M10 3a2.5 2.5 0 0 0-2.5 2.5v4a2.5 2.5 0 0 0 5 0v-4A2.5 2.5 0 0 0 10 3zM5 9.5a5 5 0 0 0 10 0M10 14.5V17',
  micoff: 'M10 3a2.5 2.5 0 0 0-2.5 2.5v4a2.5 2.5 0 0 0 5 0v-4A2.5 2.5 0 0 0 10 3zM5 9.5a5 5 0 0 0 10 0M10 14.5V17M3 3l14 14',
  pause: 'M7 4v12M13 4v12',
  play: 'M6 4l10 6-10 6z',
  transfer: 'M4 15v-3a4 4 0 0 1 4-4h8M12 4l4 4-4 4',
  park: 'M4 3h12v14H4zM8 14V6h3a2.300 2.300 0 0 1 0 4.600H8',
  ear: 'M6 8a4 4 0 1 1 8 0c0 3-3 3.200-3 5.800a2.200 2.200 0 0 1-4.200.800M8.300 8.300a1.700 1.700 0 0 1 3.400-.3',
  keypad: 'M5 5h.01M10 5h.01M15 5h.01M5 10h.01M10 10h.01M15 10h.01M5 15h.01M10 15h.01M15 15h.01',
  desk: 'M4 11a6 6 0 0 1 12 0M4 11v3h2.5v-4H4zM16 11v3h-2.5v-4H16zM15 14a4 4 0 0 1-4 3',
  live: 'M3 16V9M8 16V4M13 16v-5M18 16H2M17 16V7',
  list: 'M4 5h12M4 10h12M4 15h8',
  report: 'M4 16V4M4 16h12M7 13l3-4 2 2 4-5',
  gear: 'M10 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM10 3v2M10 15v2M3 10h2M15 10h2M5 5l1.5 1.5M13.5 13.5L15 15M5 15l1.5-1.5M13.5 6.5L15 5',
  user: 'M10 4a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM4 17c.5-3.5 3-5 6-5s5.5 1.5 6 5',
  sun: 'M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.5 4.5l1 1M14.5 14.5l1 1M4.5 15.5l1-1M14.5 5.5l1-1',
  moon: 'M15.5 12A6.5 6.5 0 0 1 8 4.5a6 6 0 1 0 7.5 7.5z',
  globe: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM3 10h14M10 3c4 4 4 10 0 14M10 3c-4 4-4 10 0 14',
  close: 'M5 5l10 10M15 5L5 15',
  plus: 'M10 4v12M4 10h12',
  chevron: 'M6 8l4 4 4-4',
  back: 'M12 5l-5 5 5 5',
  search: 'M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4zM13 13l4 4',
  keyboard: 'M3 6h14v8H3zM6 9h.01M9 9h.01M12 9h.01M14.5 9h.01M7 12h6',
  screen: 'M3 4h14v9H3zM7 16.5h6M10 13v3.5',
  trash: 'M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6',
  download: 'M10 3v9M6 9l4 4 4-4M4 16h12',
  copy: 'M7 7h9v9H7zM4 13V4h9',
  voicemail: 'M5.500 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM14.500 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM5.500 13h9',
  check: 'M4 10.500l4 4 8-9',
  bell: 'M5.5 14V9a4.5 4.5 0 0 1 9 0v5M4 14h12M8.5 16.5h3',
  out: 'M8 4H4v12h4M12 7l3 3-3 3M15 10H8',
  team: 'M7.5 5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM3 16c.3-3 2-4.500 4.500-4.500S11.700 13 12 16M13 5.500a2.200 2.200 0 1 1 0 4.400M14 11.700c1.800.4 2.800 1.800 3 4.300',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  const dots = name === 'keypad';
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth={dots ? 2.4 : 1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
      style={{ flex: 'none' }}
    >
      <path d={paths[name]} />
    </svg>
  );
}
