// The recording: customer above, agent below, gaps marked, click or arrow keys to move.
import { ActionIcon, Select } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { clock } from '../ui/format';
import { Icon } from '../ui/icons';
import { Failed, Loading } from '../ui/States';
import { drawWave } from './wave';
import './interactions.css';

interface Props {
  recording: Schemas['Recording'];
  /** Plays as soon as it can. */
  autoplay?: boolean;
  /** Somebody listens. */
  onPlay?: () => void;
  /** One side only: a message. */
  mono?: boolean;
}

export function Player({ recording, ...rest }: Props) {
  const { t } = useTranslation('interactions');
  const peaks = useQuery({
    queryKey: ['peaks', recording.id],
    enabled: recording.stored,
    staleTime: Infinity,
    queryFn: () => ok(api.GET('/api/v1/recordings/{id}/peaks', { params: { path: { id: recording.id } } })),
  });
  return (
    <section className="card" aria-label={t('player.title')} data-testid="player">
      <div className="card-head">
        <h2 className="grow">{t('player.title')}</h2>
        {recording.stored ? (
          <span className="row" role="group" aria-label={t('player.download')}>
            <Icon name="download" size={16} />
            <a href={`/api/v1/recordings/${recording.id}`} download={`${recording.id}.wav`}>
              {t('player.wav')}
            </a>
            <a href={`/api/v1/recordings/${recording.id}?format=ogg`} download={`${recording.id}.ogg`}>
              {t('player.ogg')}
            </a>
          </span>
        ) : null}
      </div>
      {!recording.stored ? (
        <p className="placeholder">{t(recording.deleted ? 'player.deleted' : 'player.not_stored')}</p>
      ) : peaks.error ? (
        <Failed error={peaks.error} retry={() => void peaks.refetch()} />
      ) : !peaks.data ? (
        <Loading />
      ) : (
        <Wave recording={recording} peaks={peaks.data} {...rest} />
      )}
    </section>
  );
}

function Wave({ recording, peaks, autoplay, onPlay, mono }: Props & { peaks: Schemas['Peaks'] }) {
  const { t } = useTranslation('interactions');
  const audio = useRef<HTMLAudioElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [playing, setPlaying] = useState(false);
  const [at, setAt] = useState(0);
  const [rate, setRate] = useState('1');
  const length = Math.max(1, peaks.length_ms);

  useEffect(() => {
    const c = canvas.current;
    if (!c) return;
    const draw = () => drawWave(c, peaks, recording.gaps, at);
    draw();
    const watch = new ResizeObserver(draw);
    watch.observe(c);
    // Colours come from the scheme.
    const scheme = new MutationObserver(draw);
    scheme.observe(document.documentElement, { attributeFilter: ['data-mantine-color-scheme'] });
    return () => {
      watch.disconnect();
      scheme.disconnect();
    };
  }, [peaks, recording.gaps, at]);

  useEffect(() => {
    if (!playing) return;
    let frame = 0;
    const follow = () => {
      if (audio.current) setAt(audio.current.currentTime * 1000);
      frame = requestAnimationFrame(follow);
    };
    follow();
    return () => cancelAnimationFrame(frame);
  }, [playing]);

  const seek = (ms: number) => {
    const to = Math.min(length, Math.max(0, ms));
    if (audio.current) audio.current.currentTime = to / 1000;
    setAt(to);
  };
  const toggle = () => {
    const a = audio.current;
    if (!a) return;
    if (a.paused) void a.play().catch(() => setPlaying(false));
    else a.pause();
  };
  return (
    <div className="card-body col">
      <audio
        ref={audio}
        src={`/api/v1/recordings/${recording.id}`}
        preload="metadata"
        autoPlay={autoplay}
        onPlay={() => {
          setPlaying(true);
          onPlay?.();
        }}
        onPause={() => setPlaying(false)}
        onEnded={() => setPlaying(false)}
      />
      <div className="wave">
        <span className="small dim">{t('player.customer')}</span>
        <span className="small dim">{mono ? null : t('player.agent')}</span>
        <canvas
          ref={canvas}
          onClick={(e) => {
            const box = e.currentTarget.getBoundingClientRect();
            seek(((e.clientX - box.left) / box.width) * length);
          }}
        />
      </div>
      <div className="row">
        <ActionIcon variant="filled" color="brand" data-testid="play" aria-label={t(playing ? 'player.pause' : 'player.play')} onClick={toggle}>
          <Icon name={playing ? 'pause' : 'play'} />
        </ActionIcon>
        <span className="num">
          {clock(at)} / {clock(length)}
        </span>
        <input
          type="range"
          className="grow"
          aria-label={t('player.position')}
          aria-valuetext={clock(at)}
          min={0}
          max={length}
          step={1000}
          value={at}
          onChange={(e) => seek(Number(e.currentTarget.value))}
        />
        <Select
          w={84}
          aria-label={t('player.speed')}
          data={['0.75', '1', '1.25', '1.5', '2'].map((v) => ({ value: v, label: `${v} ×` }))}
          value={rate}
          onChange={(v) => {
            setRate(v ?? '1');
            if (audio.current) audio.current.playbackRate = Number(v ?? '1');
          }}
        />
      </div>
      {recording.gaps.length > 0 ? (
        <ul className="row wrap small dim">
          {recording.gaps.map((g) => (
            <li key={g.from_ms} className="tag">
              {t(`gap.${g.why}`)} {clock(g.from_ms)}–{clock(g.to_ms)}
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}
