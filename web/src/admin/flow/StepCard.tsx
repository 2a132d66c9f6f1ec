// One step: its name, kind, typed fields, and what is wrong with it.
import { ActionIcon, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Icon } from '../../ui/icons';
import { type Step, stepName } from './draft';
import { StepFields } from './StepFields';

interface Props {
  id: string;
  step: Step;
  names: string[];
  isStart: boolean;
  reachable: boolean;
  /** In words. */
  problems: string[];
  onChange: (s: Step) => void;
  onRename: (to: string) => void;
  onRemove: () => void;
}

export function StepCard({ id, step, names, isStart, reachable, problems, onChange, onRename, onRemove }: Props) {
  const { t } = useTranslation('admin');
  const [name, setName] = useState<string | null>(null);
  const finish = () => {
    if (name !== null) onRename(stepName(name));
    setName(null);
  };
  return (
    <section className="card step" data-wrong={problems.length > 0} aria-label={`${t(`step.${step.step}`)} ${id}`}>
      <div className="card-head">
        <strong>{t(`step.${step.step}`)}</strong>
        <TextInput
          aria-label={t('flow.step_name')}
          classNames={{ input: 'mono' }}
          value={name ?? id}
          onChange={(e) => setName(e.currentTarget.value)}
          onBlur={finish}
          onKeyDown={(e) => {
            if (e.key === 'Enter' && !e.nativeEvent.isComposing) finish();
          }}
        />
        {isStart ? <span className="tag">{t('flow.start')}</span> : null}
        {!reachable ? <span className="tag">{t('flow.unreachable')}</span> : null}
        <span className="grow" />
        <ActionIcon aria-label={t('flow.remove_step', { name: id })} disabled={isStart} onClick={onRemove}>
          <Icon name="trash" size={16} />
        </ActionIcon>
      </div>
      <div className="card-body col">
        {problems.map((p) => (
          <p key={p} className="alert" data-tone="bad" role="alert">
            {p}
          </p>
        ))}
        <StepFields step={step} names={names} onChange={onChange} />
      </div>
    </section>
  );
}
