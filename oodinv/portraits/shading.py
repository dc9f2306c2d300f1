"""How materials answer light: the fragment programs that VTK runs for skin, hair, eyes, cloth and plain things.

Everything is computed in linear light and ends in one tone curve. A soft key light (its penumbra reddens on skin, as
light that has passed through it), a rim light from behind, a fill from the camera and a hemisphere of surrounding
light, which `visibility` has dimmed in folds. Details such as pores and stubble are noise over the place of a vertex
on the average head, so they stay with the face when it turns or smiles.

Coordinates are VTK's view coordinates: x to the viewer's right, y up, z towards the camera.
"""

from oodinv.portraits.surfaces import Material

ATTRIBUTES = {"albedo": 3, "bent": 3, "place": 3, "detail": 4, "tangent": 3, "light": 2, "pattern": 2}
"""Vertex attributes of every material, and how many numbers each has."""
UNIFORMS = ("key_direction", "key_colour", "rim_direction", "rim_colour", "fill_colour", "sky_colour", "ground_colour")
"""Light, the same for all surfaces of a scene; three numbers each."""

_NUMBERS = {1: "float", 2: "vec2", 3: "vec3", 4: "vec4"}

_VERTEX_DECLARATIONS = "\n".join(
    f"in {_NUMBERS[size]} {name}; out {_NUMBERS[size]} {name}_v;" for name, size in ATTRIBUTES.items()
)
VERTEX_REPLACEMENTS = {
    "//VTK::Normal::Dec": _VERTEX_DECLARATIONS,
    "//VTK::Normal::Impl": "\n".join(f"{name}_v = {name};" for name in ATTRIBUTES),
    # VTK itself hands the position in view coordinates on only where its own lights need it.
    "//VTK::PositionVC::Dec": "out vec4 vertexVCVSOutput;",
    "//VTK::PositionVC::Impl": "vertexVCVSOutput = MCVCMatrix * vertexMC; gl_Position = MCDCMatrix * vertexMC;",
    "//VTK::Camera::Dec": "uniform mat4 MCDCMatrix; uniform mat4 MCVCMatrix;",
}
"""Code for the marks in VTK's vertex program."""

_FRAGMENT_DECLARATIONS = (
    "\n".join(f"in {_NUMBERS[size]} {name}_v;" for name, size in ATTRIBUTES.items())
    + """
float shuffled(uint h) { h = (h ^ (h >> 13u)) * 1274126177u; return float((h >> 12u) & 65535u) / 65535.0; }
vec4 shuffled(uvec4 h) { h = (h ^ (h >> 13u)) * 1274126177u; return vec4((h >> 12u) & 65535u) / 65535.0; }
float noise(vec3 p) {
  vec3 i = floor(p), f = p - i; f = f * f * (3.0 - 2.0 * f);
  uvec3 q = uvec3(ivec3(i) + 32768) * uvec3(73856093u, 19349663u, 83492791u);
  uvec2 a = uvec2(q.x, q.x + 73856093u), b = uvec2(q.y, q.y + 19349663u);
  uvec4 c = uvec4(a.x ^ b.x, a.y ^ b.x, a.x ^ b.y, a.y ^ b.y);
  vec4 m = mix(shuffled(c ^ q.z), shuffled(c ^ (q.z + 83492791u)), f.z);
  return mix(mix(m.x, m.y, f.x), mix(m.z, m.w, f.x), f.y);
}
float streak(float x) { float i = floor(x), f = fract(x); f = f * f * (3.0 - 2.0 * f);
  uint k = uint(int(i) + 65536) * 73856093u;
  return mix(shuffled(k), shuffled(k + 73856093u), f); }
float lobe(vec3 n, vec3 v, vec3 l, float rough) {
  vec3 h = normalize(l + v);
  float a = rough * rough, nh = max(dot(n, h), 0.0), d = nh * nh * (a * a - 1.0) + 1.0;
  float c = 1.0 - max(dot(v, h), 0.0), f = 0.03 + 0.97 * c * c * c * c * c;
  return a * a / (d * d) * f * 0.25 * smoothstep(-0.05, 0.25, dot(n, l));
}
vec3 wrapped(float nl, vec3 w) { return clamp((vec3(nl) + w) / (1.0 + w), 0.0, 1.0); }
vec3 bumped(vec3 n, float height) {
  vec3 dx = dFdx(vertexVCVSOutput.xyz), dy = dFdy(vertexVCVSOutput.xyz);
  vec3 r1 = cross(dy, n), r2 = cross(n, dx);
  float det = dot(dx, r1);
  vec3 grad = sign(det) * (dFdx(height) * r1 + dFdy(height) * r2);
  return normalize(abs(det) * n - clamp(grad, -0.8 * abs(det), 0.8 * abs(det)));
}
vec3 sky(vec3 n) { return mix(ground_colour, sky_colour, 0.5 + 0.5 * n.y); }
vec3 developed(vec3 x) {
  x = max(x, 0.0);
  x = (x * (1.0 + x / 5.5)) / (1.0 + 0.82 * x);
  x = clamp(x, 0.0, 1.0);
  x = pow(x, vec3(1.0 / 2.2));
  return mix(x, x * x * (3.0 - 2.0 * x), 0.28);
}
"""
)

_START = """
vec3 n = normalize(bent_v); vec3 v = normalize(-vertexVCVSOutput.xyz);
vec3 l = key_direction; vec3 colour = vec3(0.0); vec3 albedo = albedo_v; vec2 seen = light_v;
"""

# detail: lip weight, stubble weight, freckle weight, furrow depth in millimetres
_SKIN = (
    _START
    + """
if (dot(n, v) < 0.0) n = -n;
vec3 p = place_v * 1000.0;
float coarse = pattern_v.x, middle = pattern_v.y, fine = noise(p * 0.8), grain = noise(p * 1.9 + 5.0);
float lip = clamp(detail_v.x, 0.0, 1.0);
float blotch = (coarse - 0.5) * 0.10 + (middle - 0.5) * 0.12 + (fine - 0.5) * 0.12 + (grain - 0.5) * 0.06;
albedo *= 1.0 + blotch * vec3(0.55, 1.0, 1.0) * (1.0 - 0.5 * lip);
float red = smoothstep(0.55, 0.9, middle * 0.6 + coarse * 0.4);
albedo *= 1.0 - red * vec3(0.0, 0.09, 0.08);
float freckle = smoothstep(0.64, 0.80, fine * 0.75 + 0.25 * middle) * detail_v.z;
albedo *= 1.0 - freckle * vec3(0.22, 0.40, 0.48);
float hairs = smoothstep(0.25, 0.75, 0.7 * grain + 0.3 * fine) * 0.62 + 0.30;
float stubble = clamp(detail_v.y, 0.0, 1.0);
albedo = mix(albedo, tangent_v, clamp(stubble * hairs * 1.25, 0.0, 0.93));
float height = detail_v.w * 0.001 + 0.00008 * fine + 0.00004 * grain + stubble * 0.0004 * hairs
  + lip * 0.00012 * grain;
vec3 m = bumped(n, height), smooth_m = normalize(n + m);
float nl = dot(m, l), broad = dot(n, l);
vec3 w = mix(vec3(0.42, 0.22, 0.16), vec3(0.25), lip * 0.5);
vec3 lit = wrapped(mix(broad, nl, 0.65), w);
lit *= vec3(mix(sqrt(seen.y), seen.y, 0.4), seen.y, seen.y * (0.85 + 0.15 * seen.y));
vec3 around = seen.x * vec3(1.15 - 0.15 * seen.x, 0.88 + 0.12 * seen.x, 0.80 + 0.20 * seen.x);
float facing = max(dot(m, v), 0.0), away = 1.0 - facing, edge = away * away * away;
float back = clamp(dot(n, rim_direction) * 0.8 + 0.2, 0.0, 1.0);
colour = albedo * (key_colour * lit + sky(m) * around + fill_colour * facing * around + rim_colour * back * 0.55);
float oil = gloss_m * (0.7 + 0.6 * middle) * (1.0 - 0.75 * stubble);
float shine = lobe(smooth_m, v, l, 0.52 - 0.10 * lip) * 0.6
  + lobe(smooth_m, v, l, 0.36 - 0.07 * lip) * (oil * 3.2 + lip * 0.30);
colour += key_colour * shine * seen.y * 0.85;
colour += rim_colour * (lobe(m, v, rim_direction, 0.5) * 0.8 + edge * back * 0.12);
colour += (sky(reflect(-v, m)) * around) * (0.02 + 0.20 * edge + 0.02 * lip) * (0.5 + 2.0 * oil);
"""
)

# place: across the ribbon (-1 … 1), along it (0 root … 1 tip), its number; detail: strands across, raggedness, frizz, 0
_HAIR = (
    _START
    + """
float across = place_v.x * detail_v.x + place_v.z * 37.0 + place_v.y * detail_v.z;
float strand = streak(across), wide = streak(across * 0.31 + 50.0);
float border = 1.0 - abs(place_v.x);
float ragged = detail_v.y * smoothstep(0.25, 1.0, place_v.y);
if (strand * 0.75 + border * 0.5 < 0.16 + 0.10 * detail_v.y + 0.62 * ragged) discard;
albedo *= 0.58 + 0.55 * strand + 0.25 * wide;
vec3 t = normalize(tangent_v + 0.10 * (strand - 0.5) * n);
vec3 t1 = normalize(t + (0.12 + 0.25 * (strand - 0.5)) * n), t2 = normalize(t + (-0.22 + 0.3 * (wide - 0.5)) * n);
float tl = dot(t, l), sinl = sqrt(max(1.0 - tl * tl, 0.0));
float front = smoothstep(-0.55, 0.75, dot(n, l));
vec3 h = normalize(l + v); float th1 = dot(t1, h), th2 = dot(t2, h);
float s1 = exp2(-80.0 * th1 * th1), s2 = exp2(-20.0 * th2 * th2);
float depth = seen.x;
colour = albedo * (key_colour * (0.25 + 0.75 * sinl) * front * 0.85 * mix(0.30, 1.0, seen.y)
  + sky(n) * depth + fill_colour * depth * (0.3 + 0.7 * max(dot(n, v), 0.0)));
vec3 tint = sqrt(albedo);
colour += key_colour * front * seen.y * depth * gloss_m * (0.24 * s1 * (0.5 + strand) * mix(vec3(1.0), tint, 0.4)
  + 0.75 * s2 * albedo * (0.4 + strand));
vec3 hr = normalize(rim_direction + v); float tr = dot(t1, hr);
float rim = smoothstep(-0.1, 0.7, dot(n, rim_direction));
float thin = 1.0 - abs(dot(n, v)); thin *= thin;
colour += rim_colour * rim * depth * (exp2(-28.0 * tr * tr) * 0.15 * tint + albedo * (0.5 + 1.2 * thin));
colour += sky(n) * depth * gloss_m * tint * 0.012;
"""
)

# place: direction from the eye's centre with the gaze along z; detail: lid shade, 0, 0, 0; tangent: iris colour
_EYE = (
    _START
    + """
vec3 q = normalize(place_v); float r = acos(clamp(q.z, -1.0, 1.0)) / 0.50; float around = atan(q.y, q.x);
float rays = noise(vec3(cos(around) * 9.0, sin(around) * 9.0, r * 1.6));
float rays2 = noise(vec3(cos(around) * 22.0, sin(around) * 22.0, r * 3.0 + 9.0));
vec3 iris = tangent_v * (0.55 + 0.55 * rays + 0.45 * rays2) * mix(1.25, 0.8, smoothstep(0.45, 0.9, r));
iris = mix(iris, iris * vec3(1.35, 1.05, 0.7), smoothstep(0.62, 0.40, r) * 0.6);
iris *= 1.0 + 0.55 * clamp(-dot(q.xy, l.xy) * 2.0, -0.6, 1.0) * smoothstep(0.35, 0.8, r);
iris *= mix(1.0, 0.22, smoothstep(0.78, 1.0, r));
iris = mix(vec3(0.004), iris, smoothstep(0.36, 0.43, r));
vec3 white = albedo * (1.0 + 0.06 * (noise(q * 9.0) - 0.5));
white *= 1.0 - vec3(0.02, 0.16, 0.15) * smoothstep(0.75, 2.1, r);
float limbus = smoothstep(0.94, 1.10, r);
vec3 base = mix(iris, white, limbus);
float shade = detail_v.x * mix(1.0, seen.x, 0.7);
colour = base * ((key_colour * wrapped(dot(n, l), vec3(0.5)) * mix(0.45, 1.0, seen.y) + fill_colour * 0.9) * shade
  + sky(n) * shade);
vec3 cornea = normalize(mix(n + 0.9 * (n - dot(n, vec3(0, 0, 1)) * vec3(0, 0, 1)) * (1.0 - limbus), n, limbus));
vec3 mirror = reflect(-v, cornea);
vec3 right = normalize(cross(l, vec3(0.0, 1.0, 0.0))), up = cross(right, l);
vec2 box = abs(vec2(dot(mirror, right), dot(mirror, up)));
float window = smoothstep(0.34, 0.24, box.x) * smoothstep(0.40, 0.30, box.y) * step(0.0, dot(mirror, l));
colour += key_colour * window * (0.50 * (1.0 - limbus) + 0.10 * limbus) * shade;
colour += sky(mirror) * 0.05 * shade;
"""
)

# detail: weave strength, ribs, 0, 0
_CLOTH = (
    _START
    + """
if (dot(n, v) < 0.0) n = -n;
vec3 p = place_v * 1000.0;
float weave = noise(p * 0.9), fuzz = noise(p * 0.33 + 4.0);
float ribs = 0.5 + 0.5 * sin(atan(p.x, p.y + 10.0) * 130.0);
albedo *= 0.88 + detail_v.x * (0.24 * (weave - 0.5) + 0.16 * (fuzz - 0.5)) + 0.12 * fuzz;
albedo *= 1.0 - detail_v.y * 0.30 * ribs;
float height = detail_v.x * 0.0006 * weave + detail_v.y * 0.0008 * ribs
  + 0.010 * noise(p * vec3(0.032, 0.032, 0.015) + 3.0) + 0.005 * noise(p * vec3(0.07, 0.07, 0.05));
vec3 m = bumped(n, height);
vec3 lit = wrapped(dot(m, l), vec3(0.15)) * mix(0.15, 1.0, seen.y);
float facing = max(dot(m, v), 0.0);
float back = clamp(dot(m, rim_direction), 0.0, 1.0);
colour = albedo * (key_colour * lit + sky(m) * seen.x + fill_colour * facing * seen.x + rim_colour * back * 0.5);
colour += (key_colour * lit * 0.3 + rim_colour * back * 0.3) * pow(1.0 - facing, 4.0) * 0.25 * sqrt(albedo);
colour += key_colour * lobe(m, v, l, 0.55) * gloss_m * 4.0 * seen.y;
"""
)

_PLAIN = (
    _START
    + """
if (dot(n, v) < 0.0) n = -n;
vec3 lit = wrapped(dot(n, l), vec3(0.05));
float facing = max(dot(n, v), 0.0);
colour = albedo * (key_colour * lit * seen.y + sky(n) * seen.x + fill_colour * facing * seen.x
  + rim_colour * max(dot(n, rim_direction), 0.0) * 0.5);
float rough = clamp(sqrt(sqrt(2.0 / (power_m + 2.0))), 0.15, 0.8);
colour += key_colour * lobe(n, v, l, rough) * (0.4 + 4.0 * gloss_m) * seen.y;
colour += sky(reflect(-v, n)) * gloss_m * (0.10 + 0.9 * pow(1.0 - facing, 4.0)) * seen.x;
"""
)

_END = """
gl_FragData[0] = flat_m > 0.5 ? vec4(1.0) : vec4(developed(colour), 1.0);
"""

_PROGRAMS = {"plain": _PLAIN, "skin": _SKIN, "hair": _HAIR, "eye": _EYE, "cloth": _CLOTH}


def fragment_replacements(material: Material) -> dict[str, str]:
    """Code for the marks in VTK's fragment program.

    The uniform ``flat_m`` is 0 for light and 1 for flat white; what is left out is the same in both.
    """
    return {
        "//VTK::PositionVC::Dec": "in vec4 vertexVCVSOutput;",
        "//VTK::Normal::Dec": _FRAGMENT_DECLARATIONS,
        "//VTK::Light::Impl": _PROGRAMS[material] + _END,
    }
