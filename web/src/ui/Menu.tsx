import { type ReactNode, useId, useRef } from 'react'
import * as css from './ui.css'

export interface MenuItem {
  label: string
  run: () => void
  danger?: boolean
}

interface Props {
  label: string
  items: MenuItem[]
  /** Stands above them. */
  head?: ReactNode
  className?: string
  children: ReactNode
}

/** A native popover under its button; arrows move, Escape closes. */
export function Menu({ label, items, head, className = css.button.quiet, children }: Props) {
  const id = useId()
  const trigger = useRef<HTMLButtonElement>(null)
  const list = useRef<HTMLDivElement>(null)

  const place = () => {
    const box = trigger.current?.getBoundingClientRect()
    const menu = list.current
    if (!box || !menu) return
    menu.style.left = `${Math.max(8, box.right - menu.offsetWidth)}px`
    const below = box.bottom + 4
    menu.style.top = `${below + menu.offsetHeight > innerHeight ? box.top - menu.offsetHeight - 4 : below}px`
    menu.querySelector('button')?.focus()
  }
  const move = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    const all = [...(list.current?.querySelectorAll('button') ?? [])]
    const at = all.indexOf(document.activeElement as HTMLButtonElement)
    all[(at + step + all.length) % all.length]?.focus()
  }
  return (
    <>
      <button ref={trigger} type="button" className={className} aria-label={label} aria-haspopup="menu" popoverTarget={id}>
        {children}
      </button>
      <div ref={list} id={id} popover="auto" role="menu" aria-label={label} className={css.menu} onToggle={(event) => event.newState === 'open' && place()} onKeyDown={move}>
        {head && (
          <div className={css.menuHead} role="presentation">
            {head}
          </div>
        )}
        {items.map((item) => (
          <button
            key={item.label}
            type="button"
            role="menuitem"
            className={css.menuItem}
            data-danger={item.danger ?? false}
            onClick={() => {
              list.current?.hidePopover()
              trigger.current?.focus()
              item.run()
            }}
          >
            {item.label}
          </button>
        ))}
      </div>
    </>
  )
}
