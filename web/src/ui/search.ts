// Filters in the URL: what a person sees can be sent to another person.
import { useNavigate, useRouterState } from '@tanstack/react-router';

export type Search = Record<string, string | undefined>;

export function useUrl(): [Search, (change: Search, replace?: boolean) => void] {
  const search = useRouterState({ select: (s) => s.location.search }) as Search;
  const navigate = useNavigate();
  const set = (change: Search, replace = true) => {
    // `to: '.'` stays on the page; types of a search shared by all pages cannot be known here.
    void navigate({ to: '.', search: ((old: Search) => ({ ...old, ...change })) as never, replace });
  };
  return [search, set];
}
