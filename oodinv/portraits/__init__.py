"""The synthetic portrait studio: parametric heads, accessories with exact masks, labels.

A portrait is made in four steps. `params.sample_params` draws about 150 numbers from a seed. `heads` turns them into
a head: Anny's parametric mesh with its expression, coloured per vertex, plus eyes, teeth, hair, beard and a garment
as simple surfaces. `accessories` adds glasses, a hat or another thing that no generator of these portraits has seen.
`studio` renders it offscreen with VTK, the accessory a second time as flat white over black, which is its exact mask,
and lays the person over a background.
"""
