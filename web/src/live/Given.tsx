import type { ReactNode } from 'react'

/** What a person wrote, a name or a title: in its own direction, and never translated. */
export function Given({ as: Tag = 'bdi', className = '', children }: { as?: 'bdi' | 'span'; className?: string; children: ReactNode }) {
  return (
    <Tag dir="auto" translate="no" className={`notranslate ${className}`.trim()}>
      {children}
    </Tag>
  )
}
