import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { getFile } from '../../api/admin'
import type { RenderedFile } from '../../api/types'
import { ProblemNote } from '../../ui/ProblemNote'
import { SkeletonRows } from '../../ui/Skeleton'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { keys, useFiles } from '../queries'
import * as stack from './stack.css'

const STATE: Record<RenderedFile['state'], { dot: keyof typeof ui.dot; words: string }> = {
  same: { dot: 'good', words: 'as rendered' },
  differs: { dot: 'warning', words: 'differs' },
  missing: { dot: 'bad', words: 'missing' },
  foreign: { dot: 'warning', words: 'not ours' },
}

/** Rendered against disk; secrets are hidden by the server. */
export function Files() {
  const files = useFiles()
  const [open, setOpen] = useState<string | null>(null)
  return (
    <section className={css.section}>
      <h2 className={css.h2}>Files</h2>
      {files.isLoadingError ? (
        <ProblemNote error={files.error} onAgain={() => void files.refetch()} />
      ) : files.isPending ? (
        <SkeletonRows rows={4} height={36} />
      ) : (
        <ul>
          {files.data.map((file) => (
            <li key={file.path}>
              <button type="button" className={stack.fileButton} aria-expanded={open === file.path} onClick={() => setOpen(open === file.path ? null : file.path)}>
                <span className={ui.dot[STATE[file.state].dot]} />
                <code className={ui.code}>{file.path}</code>
                <span className={ui.quiet}>{STATE[file.state].words}</span>
              </button>
              {open === file.path && <Diff path={file.path} />}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function Diff({ path }: { path: string }) {
  const file = useQuery({ queryKey: keys.file(path), queryFn: () => getFile(path), staleTime: 0 })
  if (file.isLoadingError) return <ProblemNote error={file.error} onAgain={() => void file.refetch()} />
  if (file.isPending) return <SkeletonRows rows={2} height={40} />
  if (!file.data.diff) return <p className={`${stack.diff} ${ui.quiet}`}>No difference between what is wanted and what is on disk.</p>
  return (
    <div className={stack.diff}>
      <p className={stack.legend}>
        <span className={stack.diffLine.remove}>− on disk</span>
        <span className={stack.diffLine.add}>+ wanted</span>
      </p>
      <pre className={stack.text} tabIndex={0} aria-label={`Difference of ${path}`}>
        {file.data.diff.trimEnd().split('\n').map((line, i) => (
          <div key={i} className={stack.diffLine[kindOf(line)]}>
            {line || ' '}
          </div>
        ))}
      </pre>
    </div>
  )
}

function kindOf(line: string): keyof typeof stack.diffLine {
  if (line.startsWith('@@')) return 'hunk'
  if (line.startsWith('+')) return 'add'
  if (line.startsWith('-')) return 'remove'
  return 'same'
}
