// What calls out cost, asked for now and then by those who may know; money is shown in the company's currency.
import { useQuery } from '@tanstack/react-query';
import { api, ok, type Schemas } from '../api/client';
import { useMay } from '../api/session';

export type SpendReport = Schemas['SpendReport'];

/** Undefined for those who may not know, and without prices. */
export function useSpend(): SpendReport | undefined {
  const may = useMay();
  const query = useQuery({
    queryKey: ['spend'],
    enabled: may('config.view') && may('live.view'),
    refetchInterval: 30_000,
    retry: false,
    queryFn: () => ok(api.GET('/api/v1/outbound/spend')),
  });
  return query.data?.priced ? query.data : undefined;
}

/** Minor units, as people write them. */
export function money(minor: number, currency: string, language: string): string {
  try {
    const format = new Intl.NumberFormat(language, { style: 'currency', currency });
    return format.format(minor / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
  } catch {
    return `${(minor / 100).toFixed(2)} ${currency}`;
  }
}

/** The worst that is to be told: which limit, and whether it is reached. */
export function alarm(report: SpendReport | undefined): { key: 'day' | 'month' | 'agent'; reached: boolean; who?: string; sum: Schemas['SpendSum'] } | undefined {
  if (!report) return undefined;
  const all = [
    { key: 'day' as const, sum: report.day },
    { key: 'month' as const, sum: report.month },
    ...report.agents.map((a) => ({ key: 'agent' as const, sum: a.sum, who: a.agent.name })),
  ];
  const worst = all.find((x) => x.sum.reached) ?? all.find((x) => x.sum.near);
  return worst && { ...worst, reached: worst.sum.reached };
}
