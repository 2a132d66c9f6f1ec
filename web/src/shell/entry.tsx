// Starts the console: words, theme, queries, routes.
import '../ui/mantine.css';
import '../ui/app.css';
import './shell.css';
import '../desk/desk.css';
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from '../api/client';
import { startI18n } from '../i18n';
import { tokens, theme } from '../ui/theme';
import { Toasts } from '../ui/toast';
import { startKeyboard } from './keyboard';
import { router } from './router';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: false,
      // A refusal stays a refusal; a lost network may come back.
      retry: (count, e) => count < 2 && !(e instanceof ApiError && e.status >= 400 && e.status < 500),
    },
  },
});

async function start(): Promise<void> {
  await startI18n('common');
  startKeyboard();
  const root = document.getElementById('root');
  if (!root) return;
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={tokens} defaultColorScheme="auto">
        <QueryClientProvider client={queries}>
          <Suspense fallback={null}>
            <RouterProvider router={router} context={{ queries }} />
            <Toasts />
          </Suspense>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}

void start();
