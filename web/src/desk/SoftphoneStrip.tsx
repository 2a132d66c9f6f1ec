// The softphone: every button at its place at all times, so that the hand finds it; what cannot be done now is disabled.
import { Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocal } from '../i18n/localized';
import { spelled, type ShortcutId, useShortcut, useShortcuts } from '../shell/keyboard';
import { useCommand, useDesk, useQuality, useReadOnly } from '../socket/session';
import { Elapsed } from '../ui/Elapsed';
import { Icon, type IconName } from '../ui/icons';
import { later } from '../ui/later';
import { DialogComing } from '../ui/States';
import { toast } from '../ui/toast';
import { dialling, dialNot, openDialler } from './dial';
import { DiallerPlace } from './DiallerPlace';
import { useCaller } from './caller';
import { activeCall, allowed, type DeskWork, shownState } from './words';

const DigitPad = later(() => import('./DigitPad'), 'DigitPad');
const QualityBadge = later(() => import('../talk/QualityBadge'), 'QualityBadge');
const TransferPicker = later(() => import('../talk/TransferPicker'), 'TransferPicker');

export function SoftphoneStrip() {
  const { t } = useTranslation('common');
  const desk = useDesk();
  const command = useCommand();
  const caller = useCaller();
  const local = useLocal();
  // The call it was opened for: it does not come back with the next one.
  const [picker, setPicker] = useState<string | null>(null);

  const offer = desk?.offers[0];
  const call = desk ? activeCall(desk.work) : undefined;
  const quality = useQuality(call?.segment);
  const readOnly = useReadOnly();
  const canAccept = !readOnly && offer !== undefined && !offer.device_rings;
  const can = call && !readOnly ? allowed(call) : null;
  const stays = call?.consult && call.direction !== 'internal' ? t('phone.hang_up_consult') : undefined;
  const held = call?.state === 'held';

  const accept = () => offer && void command({ command: 'accept_offer', offer: offer.offer });
  const decline = () => offer && void command({ command: 'decline_offer', offer: offer.offer });
  const mute = () => call && void command({ command: 'mute', segment: call.segment, muted: !call.muted });
  const hold = () => call && void command({ command: held ? 'resume' : 'hold', segment: call.segment });
  const hangUp = () => (stays ? toast(stays, 'bad') : call && void command({ command: 'hang_up', segment: call.segment }));
  const transfer = () => call && setPicker(call.segment);
  const park = () => call && void command({ command: 'park', segment: call.segment });
  const not = desk ? dialNot(desk, readOnly) : null;
  const noDial = not ? t(`dial.not.${not}`) : undefined;
  const dial = () => (noDial ? toast(noDial, 'bad') : openDialler());

  useShortcut('dial', dial, desk !== null);
  useShortcut('accept', accept, canAccept);
  useShortcut('decline', decline, canAccept);
  useShortcut('mute', mute, can?.mute ?? false);
  useShortcut('hold', hold, can?.hold ?? false);
  useShortcut('transfer', transfer, can?.transfer ?? false);
  useShortcut('park', park, can?.park ?? false);
  useShortcut('hang_up', hangUp, !readOnly && call !== undefined);

  const shown = call ?? offer;
  return (
    <section className="strip grow" aria-label={t('phone.label')}>
      <Strip id="dial" icon="callout" name={t('dial.button')} onClick={dial} disabled={!desk} stays={noDial} />
      <Strip id="accept" icon="phone" name={t('phone.accept')} onClick={accept} disabled={!canAccept} good />
      <Strip id="decline" icon="close" name={t('phone.decline')} onClick={decline} disabled={!canAccept} />
      <span className="strip-call">
        {call && dialling(call) ? (
          <>
            <span className="cut" title={t('dial.calling', { number: caller(call) })} data-testid="strip-calling">
              {t('dial.calling', { number: caller(call) })}
            </span>
            <Elapsed since={call.state_since_at} />
          </>
        ) : shown ? (
          <>
            <span className="cut" title={caller(shown)}>
              {caller(shown)}
            </span>
            <span className="bar-dim cut" title={shown.queue ? local(shown.queue.name) : undefined}>
              {shown.queue ? local(shown.queue.name) : ''}
            </span>
            <span className="bar-dim">{call ? t(`segment.${shownState(call)}`) : t('presence.offered')}</span>
            <Elapsed since={call ? call.state_since_at : (offer?.since_at ?? 0)} />
          </>
        ) : (
          <span className="bar-dim">{t('phone.idle')}</span>
        )}
      </span>
      <Strip id="mute" icon={call?.muted ? 'micoff' : 'mic'} name={t(call?.muted ? 'phone.unmute' : 'phone.mute')} onClick={mute} disabled={!can?.mute} pressed={call?.muted ?? false} />
      <Strip id="hold" icon={held ? 'play' : 'pause'} name={t(held ? 'phone.resume' : 'phone.hold')} onClick={hold} disabled={!can?.hold} pressed={held} />
      <Keypad call={can?.digits ? call : undefined} />
      <Strip id="transfer" icon="transfer" name={t('phone.transfer')} onClick={transfer} disabled={!can?.transfer} />
      <Strip id="park" icon="park" name={t('phone.park')} onClick={park} disabled={!can?.park} />
      <Strip id="hang_up" icon="hangup" name={t('phone.hang_up')} onClick={hangUp} disabled={!can} stays={stays} danger />
      {quality ? (
        <Suspense fallback={null}>
          <QualityBadge call={quality} />
        </Suspense>
      ) : null}
      {desk ? <DiallerPlace desk={desk} /> : null}
      {desk && call && can?.transfer && picker === call.segment ? (
        <Suspense fallback={<DialogComing />}>
          <TransferPicker work={call} agent={desk.agent.id} close={() => setPicker(null)} />
        </Suspense>
      ) : null}
    </section>
  );
}

/** The keypad's button; the keys come with its first opening. */
function Keypad({ call }: { call: DeskWork | undefined }) {
  const { t } = useTranslation('common');
  const [open, setOpen] = useState(false);
  const shown = open && call !== undefined;
  const button = (
    <button type="button" className="bar-button" aria-label={t('phone.keypad')} aria-expanded={shown} title={t('phone.keypad')} disabled={!call} onClick={() => setOpen(!open)}>
      <Icon name="keypad" />
    </button>
  );
  if (!shown) return button;
  return (
    <Suspense fallback={button}>
      <DigitPad call={call} close={() => setOpen(false)}>
        {button}
      </DigitPad>
    </Suspense>
  );
}

interface StripProps {
  id: ShortcutId;
  icon: IconName;
  name: string;
  onClick: () => void;
  disabled: boolean;
  /** Why it cannot be pressed now, told to whoever tries. */
  stays?: string;
  pressed?: boolean;
  good?: boolean;
  danger?: boolean;
}

function Strip({ id, icon, name, onClick, disabled, stays, pressed, good, danger }: StripProps) {
  const keys = useShortcuts();
  return (
    <button
      type="button"
      className="bar-button"
      data-tip={stays && !disabled ? stays : `${name} · ${spelled(keys[id])}`}
      data-testid={`phone-${id}`}
      aria-label={name}
      aria-pressed={pressed}
      aria-disabled={stays ? true : undefined}
      aria-description={stays}
      data-good={good && !disabled ? '' : undefined}
      data-danger={danger && !disabled && !stays ? '' : undefined}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
