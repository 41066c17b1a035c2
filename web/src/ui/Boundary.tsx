import { Component, type ReactNode } from 'react'
import * as css from './ui.css'

/** A part that breaks says so and leaves the rest alone. */
export class Boundary extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false }

  static getDerivedStateFromError() {
    return { broken: true }
  }

  override render() {
    if (!this.state.broken) return this.props.children
    return (
      <div className={css.empty} role="alert">
        <p className={css.emptyTitle}>This page broke</p>
        <p>Nothing was changed by that; rooms and streams go on. Load it again; should it break again, tell whoever runs ColourStream what you did before.</p>
        <button type="button" className={css.button.primary} onClick={() => location.reload()}>
          Load again
        </button>
      </div>
    )
  }
}
