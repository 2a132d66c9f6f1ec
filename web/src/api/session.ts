// Who is signed in. Every page below the shell has a `Me`; without one the sign-in page shows.
import { useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import { createContext, useContext } from 'react';
import { api, ApiError, ok, type Schemas, setCsrf } from './client';

export type Me = Schemas['Me'];

export const meKey = ['me'] as const;

/** `null` when nobody is signed in. */
export function useMeQuery(): UseQueryResult<Me | null> {
  return useQuery({
    queryKey: meKey,
    staleTime: 300_000,
    retry: (count, e) => !(e instanceof ApiError && e.status > 0) && count < 3,
    queryFn: async () => {
      try {
        const me = await ok(api.GET('/api/v1/me'));
        setCsrf(me.csrf_token);
        return me;
      } catch (e) {
        if (e instanceof ApiError && e.status === 401) return null;
        throw e;
      }
    },
  });
}

export const MeContext = createContext<Me | null>(null);

export function useMe(): Me {
  const me = useContext(MeContext);
  if (!me) throw new Error('used outside the shell');
  return me;
}

/** Takes the answer of a sign-in as the new identity. */
export function useSignedIn(): (me: Me) => void {
  const client = useQueryClient();
  return (me) => {
    setCsrf(me.csrf_token);
    client.clear();
    client.setQueryData(meKey, me);
  };
}

/** Whether the grants allow an action somewhere. The server checks each request anyway. */
export function useMay(): (action: string) => boolean {
  const me = useMe();
  return (action) => me.actions.includes(action);
}

export async function signOut(): Promise<void> {
  await ok(api.POST('/api/v1/sign-out'));
  setCsrf(null);
  // A fresh page drops every cache, socket and device of the former person.
  location.assign('/sign-in');
}
