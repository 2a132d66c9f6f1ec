// A table of thousands of rows of which only the visible ones exist. Real table roles, fixed 32 px rows.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useRef } from 'react';

export interface Column<T> {
  key: string;
  head: string;
  /** A CSS grid track, such as `minmax(120px, 1fr)`. */
  width: string;
  numeric?: boolean;
  cell(row: T): ReactNode;
  /** The whole text of a cell that may be cut. */
  title?(row: T): string;
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  id(row: T): string;
  onOpen?(row: T): void;
  /** Called when the last rows come into view: fetch the next page. */
  onEnd?(): void;
  foot?: ReactNode;
}

const ROW = 32;

export function VirtualGrid<T>({ label, columns, rows, id, onOpen, onEnd, foot }: Props<T>) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 12,
    getItemKey: (i) => {
      const row = rows[i];
      return row === undefined ? i : id(row);
    },
    onChange: (v) => {
      const last = v.getVirtualItems().at(-1);
      if (last && last.index >= rows.length - 5) onEnd?.();
    },
  });
  const template = { gridTemplateColumns: columns.map((c) => c.width).join(' ') };
  return (
    <div className="vgrid" ref={scroller} role="table" aria-label={label} aria-rowcount={rows.length + 1} tabIndex={0}>
      <div role="rowgroup" className="vgrid-headgroup">
        <div role="row" className="vgrid-head" style={template} aria-rowindex={1}>
          {columns.map((c) => (
            <div key={c.key} role="columnheader" className={c.numeric ? 'num' : undefined}>
              {c.head}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          if (row === undefined) return null;
          return (
            <div
              key={item.key}
              role="row"
              aria-rowindex={item.index + 2}
              className="vgrid-row"
              data-open={onOpen ? '' : undefined}
              style={{ ...template, transform: `translateY(${item.start}px)` }}
              onClick={onOpen ? () => onOpen(row) : undefined}
            >
              {columns.map((c) => (
                <div key={c.key} role="cell" className={c.numeric ? 'num cut' : 'cut'} title={c.title?.(row)}>
                  {c.cell(row)}
                </div>
              ))}
            </div>
          );
        })}
      </div>
      {foot}
    </div>
  );
}
