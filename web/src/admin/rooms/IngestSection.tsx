import { useState } from 'react'
import { obsUrl } from '../../api/admin'
import type { Room } from '../../api/types'
import { CopyButton } from '../../ui/CopyButton'
import { ProblemNote } from '../../ui/ProblemNote'
import { Secret } from '../../ui/Secret'
import { SkeletonRows } from '../../ui/Skeleton'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { useIngest } from '../queries'

/** How to send: addresses and key, asked for only when wanted. */
export function IngestSection({ room, onRotate }: { room: Room; onRotate: () => void }) {
  const [shown, setShown] = useState(room.state === 'waiting')
  const ingest = useIngest(room.id, shown)
  return (
    <section className={css.section}>
      <div className={css.head}>
        <h2 className={css.h2}>Send the picture</h2>
        <a className={ui.button.plain} href={obsUrl(room.id)} download>
          OBS profile
        </a>
        {!shown && (
          <button type="button" className={ui.button.plain} onClick={() => setShown(true)}>
            Addresses and key
          </button>
        )}
      </div>
      {!shown ? (
        <p className={ui.quiet}>Unpack the downloaded file; in OBS, choose Profile, then Import, and open the folder: server, key and encoder settings are in it.</p>
      ) : ingest.isLoadingError ? (
        <ProblemNote error={ingest.error} onAgain={() => void ingest.refetch()} />
      ) : ingest.isPending ? (
        <SkeletonRows rows={6} height={36} />
      ) : (
        <>
          <dl className={css.facts}>
            <dt className={css.factName}>Key</dt>
            <dd className={css.factValue}>
              <Secret value={ingest.data.key} what="Stream key" />
              <button type="button" className={ui.button.danger} onClick={onRotate}>
                New key…
              </button>
            </dd>
            <Address name="RTMP" note="OBS, most encoders" text={ingest.data.rtmp.server} />
            {ingest.data.rtmps && <Address name="RTMPS" note="encrypted" text={ingest.data.rtmps.server} />}
            <Address name="SRT" note={`bad networks, ${ingest.data.latency_ms} ms`} text={ingest.data.srt.url} secret={ingest.data.key} />
            <Address name="WHIP" note="OBS 30 and later" text={ingest.data.whip.url} secret={ingest.data.key} />
          </dl>
          <p className={ui.quiet}>Encoder: H.264, B-frames 0, keyframe every 1 s, constant bitrate, 48 kHz sound.</p>
        </>
      )}
    </section>
  )
}

/** Copied whole; shown with the key as dots where the address carries it. */
function Address({ name, note, text, secret }: { name: string; note: string; text: string; secret?: string }) {
  return (
    <>
      <dt className={css.factName}>
        {name} <span className={css.factNote}>{note}</span>
      </dt>
      <dd className={css.factValue}>
        <span className={css.address}>
          <code className={ui.code}>{secret ? text.replaceAll(encodeURIComponent(secret), '••••').replaceAll(secret, '••••') : text}</code>
          <CopyButton text={text} what={`${name} address`} />
        </span>
      </dd>
    </>
  )
}
