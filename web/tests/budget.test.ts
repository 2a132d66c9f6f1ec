// @vitest-environment node
// Builds the pages and weighs what a browser loads: see scripts/budget.mjs for the limits.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const web = join(import.meta.dirname, '..');

it('stays within the budgets of first load and lazy routes', { timeout: 120_000 }, () => {
  const out = mkdtempSync(join(tmpdir(), 'cordboard-web-'));
  try {
    execFileSync(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--outDir', out, '--logLevel', 'error'], {
      cwd: web,
      env: { ...process.env, NODE_ENV: 'production' },
    });
    const report = execFileSync(process.execPath, ['scripts/budget.mjs', out], { cwd: web, encoding: 'utf8' });
    expect(report).toContain('desk, first load');
    expect(report).not.toContain('OVER');
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});
