// The customer page `/call/{tenant}`: no sign-in, no component kit, small.
import './customer.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { startI18n } from '../i18n';
import { CallPage } from './CallPage';

async function start(): Promise<void> {
  await startI18n('customer');
  const root = document.getElementById('root');
  const tenant = decodeURIComponent(location.pathname.split('/')[2] ?? '') || 'default';
  if (root) {
    createRoot(root).render(
      <StrictMode>
        <CallPage tenant={tenant} />
      </StrictMode>,
    );
  }
}

void start();
