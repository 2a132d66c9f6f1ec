// The one way to the REST interface. Types come from web/openapi.json (`npm run types`); nothing is copied by hand.
import createClient, { type Middleware } from 'openapi-fetch';
import type { components, paths } from './.generated/schema';
import { pick } from '../i18n/localized';

export type Schemas = components['schemas'];
export type Problem = Schemas['Problem'];

/** A refusal or a failure with a stable code; `problem` carries the words of the server. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly problem?: Problem,
  ) {
    super(code);
    this.name = 'ApiError';
  }
}

let csrf: string | null = null;
export function setCsrf(token: string | null | undefined): void {
  csrf = token ?? null;
}

const headers: Middleware = {
  onRequest({ request }) {
    if (request.method !== 'GET' && csrf) request.headers.set('X-CSRF-Token', csrf);
    return request;
  },
};

// The document's paths carry the whole prefix or none; see `api/index.ts` of the server.
export const api = createClient<paths>({ baseUrl: '', credentials: 'same-origin' });
api.use(headers);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer, or an `ApiError` thrown. */
export async function ok<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch {
    throw new ApiError(0, 'network.unreachable');
  }
  if (answer.response.ok) return answer.data as T;
  throw toError(answer.response.status, answer.error);
}

export function toError(status: number, body: unknown): ApiError {
  const problem = isProblem(body) ? body : undefined;
  return new ApiError(status, problem?.code ?? `http.${status}`, problem);
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && typeof (body as { code?: unknown }).code === 'string';
}

/** In words: the server's own message, else ours for a network or an unnamed failure. */
export function problemText(error: unknown, language: string, t: (key: string) => string): string {
  if (error instanceof ApiError) {
    const words = pick(error.problem?.message, language);
    if (words) return words;
    if (error.status === 0) return t('error.network');
    return `${t('error.unexpected')} (${error.code})`;
  }
  return t('error.unexpected');
}

/** Messages by field path, for forms. */
export function fieldErrors(error: unknown): Record<string, string> {
  const out: Record<string, string> = {};
  if (error instanceof ApiError) for (const f of error.problem?.fields ?? []) out[f.path] ??= f.code;
  return out;
}
