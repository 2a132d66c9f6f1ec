// The look: one accent, a 4 px grid, 32 px rows, type 12/13/14/16/20; the state colours as CSS variables for both schemes.
import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

/** `#087572` stands at index 7. */
const brand: MantineColorsTuple = [
  '#e6f5f4',
  '#cfe9e7',
  '#a3d6d3',
  '#72c1bc',
  '#45aca6',
  '#239690',
  '#12847f',
  '#087572',
  '#065f5d',
  '#044a48',
];

/** Index 7 is the page, 6 the fields; cooler than Mantine's own greys, to go with the tokens below. */
const dark: MantineColorsTuple = ['#e3e7ea', '#c3cbd2', '#a3adb6', '#6b757e', '#3b444c', '#2c343a', '#20262b', '#171b1f', '#121619', '#0d1012'];

export const fontFamily =
  'system-ui, "Segoe UI", "PingFang SC", "HarmonyOS Sans SC", "Microsoft YaHei", "Noto Sans CJK SC", "WenQuanYi Micro Hei", sans-serif';

const dense = { defaultProps: { size: 'xs' as const } };

export const theme = createTheme({
  primaryColor: 'brand',
  primaryShade: { light: 7, dark: 7 },
  colors: { brand, dark },
  fontFamily,
  fontFamilyMonospace: 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "Noto Sans Mono CJK SC", monospace',
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.25rem' },
  spacing: { xs: '0.5rem', sm: '0.75rem', md: '1rem', lg: '1.25rem', xl: '2rem' },
  radius: { xs: '2px', sm: '4px', md: '6px', lg: '8px', xl: '16px' },
  defaultRadius: 'sm',
  cursorType: 'pointer',
  respectReducedMotion: true,
  // By name, not `X.extend`: importing every component here would put them all into the first load.
  components: {
    Button: { defaultProps: { size: 'xs' }, vars: () => ({ root: { '--button-height': '32px', '--button-fz': '13px' } }) },
    ActionIcon: { defaultProps: { variant: 'subtle', color: 'gray', size: 32 } },
    Input: { defaultProps: { size: 'xs' }, vars: () => ({ wrapper: { '--input-height': '32px', '--input-fz': '13px' } }) },
    TextInput: dense,
    PasswordInput: dense,
    NumberInput: dense,
    Textarea: dense,
    Select: { defaultProps: { size: 'xs', allowDeselect: false, checkIconPosition: 'right' } },
    MultiSelect: dense,
    Checkbox: dense,
    Switch: { defaultProps: { size: 'sm' } },
    SegmentedControl: dense,
    Menu: { defaultProps: { shadow: 'md', position: 'bottom-start', withinPortal: true } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true, fz: 12 } },
    Drawer: { defaultProps: { position: 'right', size: 480, overlayProps: { backgroundOpacity: 0.25 } } },
  },
});

/** Tokens beside Mantine's own. Every text colour keeps 4.5:1 on its ground (axe checks it on every route). */
export const tokens: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-text': '#1c2127',
    '--mantine-color-body': '#ffffff',
    '--mantine-color-dimmed': '#57606a',
    '--mantine-color-placeholder': '#68717b',
    '--mantine-color-error': '#b3261e',
    '--mantine-color-default-border': '#cfd5db',
    '--cb-ground': '#f5f7f8',
    '--cb-card': '#ffffff',
    '--cb-line': '#e1e5e9',
    '--cb-hover': '#f0f3f5',
    '--cb-chosen': '#e2f2f1',
    '--cb-accent': '#087572',
    '--cb-ready': '#0b6b3a',
    '--cb-talking': '#0550ae',
    '--cb-wrapup': '#8a4600',
    '--cb-away': '#57606a',
    '--cb-danger': '#b3261e',
    '--cb-bar': '#123b3a',
    '--cb-bar-text': '#f2f8f8',
    '--cb-bar-dim': '#b7cfce',
    '--cb-bar-hover': '#1d4f4d',
  },
  dark: {
    '--mantine-color-text': '#e3e7ea',
    '--mantine-color-body': '#171b1f',
    '--mantine-color-dimmed': '#a3adb6',
    '--mantine-color-placeholder': '#939da6',
    '--mantine-color-error': '#ff8f87',
    '--mantine-color-default': '#20262b',
    '--mantine-color-default-hover': '#283037',
    '--mantine-color-default-border': '#3b444c',
    '--mantine-color-brand-light-color': '#72c1bc',
    '--mantine-color-brand-outline': '#72c1bc',
    '--mantine-color-anchor': '#72c1bc',
    '--cb-ground': '#121619',
    '--cb-card': '#1a1f23',
    '--cb-line': '#2c343a',
    '--cb-hover': '#222a2f',
    '--cb-chosen': '#143533',
    '--cb-accent': '#72c1bc',
    '--cb-ready': '#57c98a',
    '--cb-talking': '#79b4ff',
    '--cb-wrapup': '#f2ab66',
    '--cb-away': '#a3adb6',
    '--cb-danger': '#ff8f87',
    '--cb-bar': '#0d2625',
    '--cb-bar-text': '#e8f1f0',
    '--cb-bar-dim': '#a5bfbd',
    '--cb-bar-hover': '#173b39',
  },
});
