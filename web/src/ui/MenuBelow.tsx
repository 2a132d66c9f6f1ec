// The menu of DropMenu, loaded with its first opening.
import { Menu } from '@mantine/core';
import { cloneElement } from 'react';
import type { DropMenuProps } from './DropMenu';
import { useSwapped } from './swapped';

export function MenuBelow({ entries, opened, onChange, end, children }: DropMenuProps) {
  const { button, ready } = useSwapped();
  return (
    <Menu opened={opened && ready} onChange={onChange} position={end ? 'bottom-end' : 'bottom-start'}>
      <Menu.Target>{cloneElement(children, { ref: button })}</Menu.Target>
      <Menu.Dropdown>
        {entries.map((e, at) =>
          'line' in e ? (
            <Menu.Divider key={at} />
          ) : 'heading' in e ? (
            <Menu.Label key={at}>{e.heading}</Menu.Label>
          ) : (
            <Menu.Item key={at} leftSection={e.icon} lang={e.lang} aria-current={e.current} data-testid={e.testId} onClick={e.onClick}>
              {e.text}
            </Menu.Item>
          ),
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
