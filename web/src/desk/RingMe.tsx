// "Ring me": the server's demo caller dials into Support; this desk rings if it is available.
import { Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText } from '../api/client';
import { useCommand, useDesk } from '../socket/session';
import { Icon } from '../ui/icons';
import { toast } from '../ui/toast';

export function RingMe({ variant = 'default' }: { variant?: 'filled' | 'default' }) {
  const { t, i18n } = useTranslation('common');
  const desk = useDesk();
  const command = useCommand();
  const ringing = useMutation({
    mutationFn: async () => {
      // Pressing it means wanting the call.
      if (desk && desk.presence.state !== 'available') await command({ command: 'set_presence', presence: { state: 'available' } });
      return ok(api.POST('/api/v1/demo-call'));
    },
    onSuccess: () => toast(t('ringme.started')),
    onError: (e) => toast(problemText(e, i18n.language, t), 'bad'),
  });
  return (
    <Button variant={variant} leftSection={<Icon name="bell" size={16} />} loading={ringing.isPending} onClick={() => ringing.mutate()} data-testid="ring-me">
      {t('ringme.button')}
    </Button>
  );
}
