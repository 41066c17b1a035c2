import { useEffect, useRef, useState } from 'react'
import { Field } from '../../ui/Field'
import * as ui from '../../ui/ui.css'
import { useProfiles } from '../queries'
import { profileWords } from './profileWords'

/** The quality profiles of the settings file, with what each is for. */
export function ProfileField({ value }: { value?: string }) {
  const profiles = useProfiles()
  const select = useRef<HTMLSelectElement>(null)
  const [chosen, setChosen] = useState(value)
  // The form may set it to what somebody else chose.
  useEffect(() => {
    if (select.current?.value) setChosen(select.current.value)
  })
  const all = profiles.data ?? []
  const current = all.find((one) => one.name === chosen) ?? (chosen === undefined ? all[0] : undefined)
  // A name that is no profile any more can still be read, and left.
  const lost = value !== undefined && !all.some((one) => one.name === value)
  return (
    <Field label="Quality profile" hint={current ? profileWords(current) : profiles.isPending ? ' ' : 'Not among the profiles of colourstream.yaml.'}>
      <select ref={select} className={ui.select} name="profile" key={all.length} defaultValue={chosen} onChange={(event) => setChosen(event.target.value)}>
        {lost && <option value={value}>{value}</option>}
        {all.map((one) => (
          <option key={one.name} value={one.name}>
            {one.title}
          </option>
        ))}
      </select>
    </Field>
  )
}
