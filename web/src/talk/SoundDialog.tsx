// Microphone, loudspeaker and bell: which one, whether it works. The meter listens to a track of its own, because the
// one of the call is silent while nobody is there to hear it.
import { Button, Select } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ring } from '../desk/ring';
import { openMicrophone } from '../device/microphone';
import { canChooseSpeaker, type SoundDevice, soundChoice, soundDevices, soundTo } from '../device/sound';
import { useDevice } from '../socket/session';
import { Dialog } from '../ui/Dialog';
import './talk.css';

export function SoundDialog({ close }: { close: () => void }) {
  const { t } = useTranslation('talk');
  const device = useDevice();
  const [choice, setChoice] = useState(soundChoice);
  const [there, setThere] = useState<Awaited<ReturnType<typeof soundDevices>> | null>(null);
  useEffect(() => {
    const look = () => void soundDevices().then(setThere);
    look();
    navigator.mediaDevices?.addEventListener?.('devicechange', look);
    return () => navigator.mediaDevices?.removeEventListener?.('devicechange', look);
  }, [device?.view.microphone]);

  const choose = (what: keyof typeof choice) => (id: string | null) => {
    const next = { ...choice, [what]: id || undefined };
    setChoice(next);
    void device?.device.chooseSound(next);
  };
  // A chosen one that is unplugged stays in the list, or the field would look empty.
  const options = (list: readonly SoundDevice[], chosen: string | undefined) => [
    { value: '', label: t('sound.system') },
    ...list.map((d, n) => ({ value: d.id, label: d.name || t('sound.unnamed', { n: n + 1 }) })),
    ...(chosen && !list.some((d) => d.id === chosen) ? [{ value: chosen, label: t('sound.unplugged') }] : []),
  ];
  return (
    <Dialog size={460} title={t('sound.title')} close={close}>
      <div className="col sound" data-testid="sound-dialog">
        <Select data-autofocus label={t('sound.microphone')} data={options(there?.microphones ?? [], choice.microphone)} value={choice.microphone ?? ''} onChange={choose('microphone')} data-testid="sound-microphone" />
        <Meter microphone={choice.microphone} />
        {canChooseSpeaker() ? (
          <>
            <div className="row sound-row">
              <Select className="grow" label={t('sound.speaker')} data={options(there?.speakers ?? [], choice.speaker)} value={choice.speaker ?? ''} onChange={choose('speaker')} data-testid="sound-speaker" />
              <Button variant="default" data-testid="sound-tone" onClick={() => void tone(choice.speaker)}>
                {t('sound.tone')}
              </Button>
            </div>
            <div className="row sound-row">
              <Select className="grow" label={t('sound.bell')} data={options(there?.speakers ?? [], choice.bell)} value={choice.bell ?? ''} onChange={choose('bell')} data-testid="sound-bell" />
              <Button variant="default" onClick={() => setTimeout(ring(), 1500)}>
                {t('sound.ring')}
              </Button>
            </div>
          </>
        ) : (
          <p className="dim">{t('sound.browser_chooses')}</p>
        )}
        <p className="dim small">{t('sound.kept')}</p>
      </div>
    </Dialog>
  );
}

/** One second of a clear tone. */
async function tone(speaker: string | undefined): Promise<void> {
  const context = new AudioContext();
  await soundTo(context as { setSinkId?: (id: string) => Promise<void> }, speaker);
  const source = context.createOscillator();
  const gain = context.createGain();
  source.frequency.value = 440;
  gain.gain.value = 0.15;
  source.connect(gain).connect(context.destination);
  source.start();
  source.stop(context.currentTime + 1);
  source.addEventListener('ended', () => void context.close());
}

function Meter({ microphone }: { microphone: string | undefined }) {
  const { t } = useTranslation('talk');
  const bar = useRef<HTMLMeterElement>(null);
  const [state, setState] = useState<'asking' | 'ok' | 'none'>('asking');
  useEffect(() => {
    let over = false;
    let stop = () => {};
    setState('asking');
    void openMicrophone(microphone).then((m) => {
      if (over || m.state !== 'ok') {
        if (m.state === 'ok') m.track.stop();
        if (!over) setState('none');
        return;
      }
      setState('ok');
      const context = new AudioContext();
      const hear = context.createAnalyser();
      hear.fftSize = 1024;
      context.createMediaStreamSource(new MediaStream([m.track])).connect(hear);
      const wave = new Float32Array(hear.fftSize);
      const timer = setInterval(() => {
        hear.getFloatTimeDomainData(wave);
        const power = wave.reduce((sum, x) => sum + x * x, 0) / wave.length;
        // From −60 dB, which is a quiet room, to full scale.
        if (bar.current) bar.current.value = Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-9)) / 60));
      }, 80);
      stop = () => {
        clearInterval(timer);
        m.track.stop();
        void context.close();
      };
    });
    return () => {
      over = true;
      stop();
    };
  }, [microphone]);
  return state === 'none' ? (
    <p className="alert" data-tone="bad" role="alert">
      {t('sound.no_microphone')}
    </p>
  ) : (
    <label className="col">
      <span className="dim small">{t('sound.level')}</span>
      <meter ref={bar} className="sound-meter" min={0} max={1} data-testid="sound-level" />
    </label>
  );
}
