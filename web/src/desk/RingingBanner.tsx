// Rings on every page, says who and how long, and leaves the focus where it is. Sound: a soft double ring.
import { Button } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocal } from '../i18n/localized';
import { spelled, useShortcuts } from '../shell/keyboard';
import { useCommand, useDesk, useDevice } from '../socket/session';
import { Remaining } from '../ui/Elapsed';
import { clock } from '../ui/format';
import { Icon } from '../ui/icons';
import { useCaller, useOrigin } from './caller';
import { ring } from './ring';
import type { DeskOffer } from './words';

export function RingingBanner() {
  const { t } = useTranslation('common');
  const local = useLocal();
  const caller = useCaller();
  const origin = useOrigin();
  const desk = useDesk();
  const device = useDevice();
  const command = useCommand();
  const keys = useShortcuts();
  const navigate = useNavigate();
  const offer = desk?.offers[0];
  const leads = device?.view.leading ?? true;
  const accept = async (o: DeskOffer) => {
    // The call is worked on at the desk, wherever it was accepted.
    if (await command({ command: 'accept_offer', offer: o.offer })) void navigate({ to: '/desk/{-$interactionId}', params: { interactionId: o.interaction } });
  };
  const rings = offer !== undefined && !offer.device_rings && leads;

  useEffect(() => (rings ? ring() : undefined), [rings]);
  useEffect(() => {
    if (!offer) return;
    const title = document.title;
    document.title = `☎ ${t('ringing.title')}`;
    return () => {
      document.title = title;
    };
  }, [offer, t]);

  return (
    <div aria-live="assertive">
      {offer ? (
        <div className="ringing" data-testid="ringing">
          <span className="bell">
            <Icon name="bell" size={24} />
          </span>
          <div className="who">
            <strong className="cut" title={caller(offer)}>
              {caller(offer)}
            </strong>
            <span className="dim">
              {[
                offer.handover ? t(`ringing.${offer.handover.kind}`, { name: offer.handover.by?.name ?? t('ringing.colleague') }) : null,
                offer.queue ? local(offer.queue.name) : null,
                offer.handover ? null : t('ringing.waited', { time: clock(offer.waited_ms) }),
                ...origin(offer),
              ]
                .filter(Boolean)
                .join(' · ')}
            </span>
          </div>
          <span className="dim" aria-hidden>
            <Remaining until={offer.until_at} />
          </span>
          {offer.device_rings ? (
            <span>{t('ringing.on_phone')}</span>
          ) : leads ? (
            <div className="row">
              <Button
                color="#0b6b3a"
                data-testid="accept"
                leftSection={<Icon name="phone" size={16} />}
                title={spelled(keys.accept)}
                onClick={() => void accept(offer)}
              >
                {t('phone.accept')}
              </Button>
              <Button variant="default" data-testid="decline" title={spelled(keys.decline)} onClick={() => void command({ command: 'decline_offer', offer: offer.offer })}>
                {t('phone.decline')}
              </Button>
            </div>
          ) : (
            <span>{t('ringing.other_tab')}</span>
          )}
        </div>
      ) : null}
    </div>
  );
}
