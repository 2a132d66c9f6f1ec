// Builds the console (everything but /call/…) and the customer page (/call/…, without Mantine) from one index.html.
// The development server forwards the API and the sockets to a running `cordboard serve` (or dev/mock.mjs).
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const server = process.env.CORDBOARD_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    manifest: true, // scripts/budget.mjs reads it
    sourcemap: false,
    chunkSizeWarningLimit: 700,
  },
  server: {
    port: 5173,
    proxy: { '/api': { target: server, ws: true, changeOrigin: false } },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts', 'src/**/*.test.tsx', 'tests/**/*.test.ts'],
  },
});
