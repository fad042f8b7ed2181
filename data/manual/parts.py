"""The catalogue of parts: the one place where part numbers and names are written down."""

from typing import NamedTuple


class Part(NamedTuple):
    number: str
    name: str
    quantity: str = "1"


CATALOGUE: dict[str, tuple[Part, ...]] = {
    "A  Motor and coupling": (
        Part("QH-1104", "Electric motor 4.0 kW, 400 V, frame 112M, B35"),
        Part("QH-1109", "Fan for motor QH-1104"),
        Part("QH-1112", "Fan cowl, sheet steel, painted"),
        Part("QH-1118", "Ball bearing 6206-2Z-C3, drive end"),
        Part("QH-1119", "Ball bearing 6205-2Z-C3, fan end"),
        Part("QH-1131", "Parallel key 8 × 7 × 40"),
        Part("QH-1140", "Terminal board with six M5 studs"),
        Part("QH-2210", "Coupling half, motor side, bore 28 mm"),
        Part("QH-2211", "Coupling half, pump side, bore 17 mm"),
        Part("QH-2214", "Coupling spider, 98 Shore A, red"),
        Part("QH-2230", "Bellhousing, aluminium, Ø 250"),
        Part("QH-2236", "Bellhousing gasket, 0.8 mm fibre"),
        Part("QH-2241", "Inspection plug for bellhousing"),
        Part("QH-0917", "Socket screw M10 × 30, 8.8", "4"),
        Part("QH-0921", "Stud M10 × 45 with nut", "4"),
    ),
    "B  Pump and suction": (
        Part("QH-3061", "Gear pump 6.1 cm³, for HA 24-6"),
        Part("QH-3082", "Gear pump 8.2 cm³, for HA 24-8"),
        Part("QH-3117", "Shaft seal 20 × 35 × 7, FKM"),
        Part("QH-3124", "O-ring 60 × 3, NBR 90"),
        Part("QH-3126", "O-ring 26 × 2.5, NBR 70", "2"),
        Part("QH-3140", "Suction flange, square 40, G 3/4"),
        Part("QH-3142", "Pressure flange, square 35, G 1/2"),
        Part("QH-3155", "Suction pipe with strainer, 125 µm"),
        Part("QH-3171", "Bleed screw G 1/8 with sealing ring"),
        Part("QH-0908", "Socket screw M8 × 90, 10.9", "4"),
        Part("QH-0906", "Socket screw M6 × 22, 8.8", "8"),
        Part("QH-3190", "Key for pump shaft 4 × 6.5"),
    ),
    "C  Manifold and valves": (
        Part("QH-4400", "Manifold block, bare, ports G 3/8"),
        Part("QH-4417", "Directional valve 4/3, size 6, tandem centre"),
        Part("QH-4418", "Solenoid coil 24 V DC, 30 W", "2"),
        Part("QH-4419", "Core tube with nut for QH-4417", "2"),
        Part("QH-4423", "Pressure relief valve, cartridge, 50-250 bar"),
        Part("QH-4424", "Lock nut with seal for QH-4423"),
        Part("QH-4431", "Check valve, cartridge, 0.5 bar"),
        Part("QH-4436", "Pilot-operated check valve, size 6"),
        Part("QH-4440", "Throttle check valve, size 6, meter-out"),
        Part("QH-4452", "Hand lowering valve with red knob"),
        Part("QH-4460", "Gauge isolator, push button, G 1/4"),
        Part("QH-4463", "Pressure gauge 0-250 bar, Ø 63, glycerine"),
        Part("QH-4471", "Pressure sensor B1, 0-250 bar, 4-20 mA"),
        Part("QH-4475", "Test point M16 × 2 with cap", "2"),
        Part("QH-4482", "O-ring 9.25 × 1.78 for valve face", "8"),
        Part("QH-0905", "Socket screw M5 × 45, 10.9", "8"),
        Part("QH-4490", "Blanking plug G 3/8 with seal", "2"),
    ),
    "D  Tank": (
        Part("QH-5001", "Tank, welded, 24 litres, petrol blue"),
        Part("QH-5004", "Tank lid, steel 6 mm, galvanised"),
        Part("QH-5006", "Lid gasket, NBR cord 5 mm, 2.2 m"),
        Part("QH-5010", "Cleaning cover, Ø 184"),
        Part("QH-5011", "Cleaning cover gasket, NBR 3 mm"),
        Part("QH-5018", "Drain plug G 1/2 with magnet"),
        Part("QH-5019", "Sealing ring 21 × 26, copper"),
        Part("QH-5025", "Sight glass with thermometer, 127 mm"),
        Part("QH-5030", "Rubber foot, Ø 60, M12", "4"),
        Part("QH-5036", "Drip tray, 34 litres"),
        Part("QH-5040", "Lifting eye M12", "2"),
        Part("QH-5044", "Earth stud M8 with washers"),
        Part("QH-0911", "Hexagon bolt M8 × 20, A2-70", "8"),
        Part("QH-0913", "Hexagon bolt M10 × 25, A2-70", "8"),
    ),
    "E  Filter and breather": (
        Part("QH-6100", "Return filter, complete, tank top"),
        Part("QH-6104", "Filter element 10 µm, glass fibre"),
        Part("QH-6105", "Filter element 25 µm, paper (old type)"),
        Part("QH-6108", "Bypass valve 2.5 bar for QH-6100"),
        Part("QH-6111", "Filter cover with O-ring 90 × 4"),
        Part("QH-6114", "O-ring 90 × 4 for filter cover"),
        Part("QH-6120", "Clogging switch S3, 2.0 bar, M12 plug"),
        Part("QH-6131", "Breather with filler strainer, 3 µm"),
        Part("QH-6134", "Desiccant breather for damp rooms"),
    ),
    "F  Electrical": (
        Part("QH-7003", "Control unit CU-3 with display"),
        Part("QH-7004", "Lithium cell CR2032 for CU-3"),
        Part("QH-7010", "Control box, empty, IP 54"),
        Part("QH-7012", "Main switch Q0, 25 A, lockable"),
        Part("QH-7015", "Motor protection switch Q1, 6.3-10 A"),
        Part("QH-7018", "Contactor K1, 24 V DC coil, 9 A"),
        Part("QH-7021", "Power supply T1, 230 V / 24 V, 5 A"),
        Part("QH-7024", "Emergency stop S0, two contacts"),
        Part("QH-7027", "Push button S1, white, RAISE"),
        Part("QH-7028", "Push button S2, black, LOWER"),
        Part("QH-7033", "Level and temperature switch B2"),
        Part("QH-7036", "Valve plug with LED, 24 V, form B", "2"),
        Part("QH-7041", "Fuse 2 A slow, 5 × 20 mm (F2, F3)", "2"),
        Part("QH-7044", "Cable gland M20, brass", "5"),
        Part("QH-7048", "Pendant control, 5 m cable"),
        Part("QH-7052", "Sensor cable M12, 4-pole, 2 m", "2"),
    ),
    "G  Hoses and pipes": (
        Part("QH-8103", "Hose DN 10, 1 500 mm, port A"),
        Part("QH-8104", "Hose DN 10, 1 500 mm, port B"),
        Part("QH-8108", "Hose DN 10, 3 000 mm"),
        Part("QH-8112", "Return hose DN 16, 800 mm"),
        Part("QH-8117", "Pressure pipe 12 × 1.5, pump to manifold"),
        Part("QH-8121", "Union G 3/8 to 12 L", "2"),
        Part("QH-8124", "Union G 1/2 to 12 L"),
        Part("QH-8130", "Bonded seal G 3/8", "4"),
        Part("QH-8139", "Bleed hose, clear PVC 4 × 6, 1 m"),
    ),
    "H  Kits, oil and tools": (
        Part("QH-9001", "Seal kit for gear pump"),
        Part("QH-9002", "Seal kit for manifold and valves"),
        Part("QH-9004", "Seal kit for tank lid and cover"),
        Part("QH-9010", "1 000-hour service kit"),
        Part("QH-9011", "Six-year hose kit, ports A and B"),
        Part("QH-9020", "Hydraulic oil HLP 46, can of 20 l"),
        Part("QH-9025", "Touch-up paint, petrol blue, 0.5 l"),
        Part("QH-9031", "Test gauge with hose, 0-400 bar"),
        Part("QH-9034", "Socket 32 mm, slotted, for sight glass"),
        Part("QH-9038", "Type label set, four languages"),
    ),
}
_BY_NUMBER = {part.number: part for group in CATALOGUE.values() for part in group}


def part(number: str) -> Part:
    """The part with this number; KeyError if the catalogue lacks it, so no page can name a part that is not there."""
    return _BY_NUMBER[number]
